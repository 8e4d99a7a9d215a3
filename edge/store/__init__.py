"""The Ditto store through its SDK, made safe: errors in one line, no hanging, no native abort.

Imports the keys of documents and conformance. Start at store.py.
"""
