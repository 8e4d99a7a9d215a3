"""Faults of a running bridge: interruptions, its resources (directories, disk), and documents that hardly sync.

Start at names.py, which lists them by name.
"""
