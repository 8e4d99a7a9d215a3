"""Rules on what Ditto needs: shapes of documents, the connector's configuration, subscriptions, permissions.

Imports checks, ditto and below. Start at crdt.py (shapes) and sync.py (the connector).
"""
