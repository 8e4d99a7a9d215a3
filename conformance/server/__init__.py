"""Access to a MongoDB server outside the rules: connection, metadata, provisioning, query plans.

Imports config, embedded, the model and below. Start at target.py (which server) and provision.py (what it should have).
"""
