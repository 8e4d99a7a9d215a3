"""Commands about servers: up, sync, trigger-initial-sync, mcp, connector, provision --users, encode-password.

Imports zava.terminal and below. Start at sync.py.
"""
