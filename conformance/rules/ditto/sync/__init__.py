"""Family sync: the connector's configuration, subscriptions and queries of devices, and documents not synced.

May import `conformance.checks`, `conformance.ditto` and below. Start at `connector.py` and `subscriptions.py`.
"""
