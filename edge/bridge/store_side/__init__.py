"""The Ditto store's side of the bridge: what devices wrote, what is written for them, and the comparison of both.

Imports the bridge's state and below. Start at store_changes.py (what devices wrote) and store_writer.py (what is
written into the store); reconciliation.py finds what differs after a restart.
"""
