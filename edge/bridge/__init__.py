"""The bridge: apply MongoDB's changes to a Ditto store and push the changes of devices to MongoDB.

Imports the packages inside it, edge.store and the modules directly in edge. Start at bridge.py. From MongoDB to Ditto:
inbound.py. From Ditto to MongoDB: device_changes.py finds what devices changed, outbound.py writes it. Conflicts are
decided in store_side/store_writer.py (changes of MongoDB) and in conflicts.py (changes of devices).
"""
