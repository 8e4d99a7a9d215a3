"""Ditto: the store, the conversion of values, the bridge to MongoDB and the model of merging. It names no collection.

Imports conformance. Start at bridge/bridge.py; store/store.py wraps the SDK; values.py converts BSON and Ditto values,
and ejson.py those of mode ejson.
"""
