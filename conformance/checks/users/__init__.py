"""Users of devices: who may sign in, and which documents each may read or change.

May import `conformance.checks.base`, `conformance.ditto`, `conformance.language` and below. Start at `access.py`.
"""
