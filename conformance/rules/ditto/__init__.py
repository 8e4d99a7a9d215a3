"""Rules on what Ditto needs: one package per family, which are shapes of documents, sync, and permissions.

Imports checks, ditto and below. Start at crdt/shapes.py and sync/connector.py.
"""
