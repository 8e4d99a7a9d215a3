"""What all commands share at the terminal: options, output, progress, usage errors.

Imports the library only. Start at console.py.
"""
