"""The bridge: apply MongoDB's changes to a Ditto store and push the changes of devices to MongoDB.

Imports store and values. Start at bridge.py; inbound.py is one direction, outbound.py the other; store_writer.py and
outbound.py decide conflicts.
"""
