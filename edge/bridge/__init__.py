"""The bridge: apply MongoDB's changes to a Ditto store and push the changes of devices to MongoDB.

Imports store and values. Start at bridge.py; inbound.py is one direction, outbound.py the other. Conflicts are decided
in store_side/store_writer.py (what MongoDB changed, towards Ditto) and write_plan.py (what devices changed, towards
MongoDB).
"""
