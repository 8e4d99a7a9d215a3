"""Shared code of all commands: options, output, progress, usage errors.

Imports the library only. Start at console.py.
"""
