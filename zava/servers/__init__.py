"""Commands that start something or prepare a login: up, sync, mcp, users, encode-password.

Imports zava.terminal and below. Start at sync.py.
"""
