"""Family crdt: shapes and names of documents that devices merge and store without loss.

May import `conformance.rules.ditto.sync`, `conformance.checks` and below. Start reading at `shapes.py`.
"""
