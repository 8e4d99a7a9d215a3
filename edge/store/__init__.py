"""The Ditto store through its SDK, made safe: errors in one line, no hanging, no native abort.

Imports conformance only. Start at store.py.
"""
