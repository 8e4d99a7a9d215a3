"""What the bridge remembers between runs, in one SQLite file: the ledger, the position, unsynced documents, the store.

Imports document keys and values. Start at state.py; ledger.py holds what both sides agreed on, document by document.
"""
