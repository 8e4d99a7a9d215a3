"""State of the bridge between runs, in one SQLite file: ledger, positions, unsynced documents, store.

Imports document keys and values. Start at state.py; ledger.py holds what both sides agreed on, document by document.
"""
