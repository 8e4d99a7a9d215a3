"""Findings about the server, collections, fields, keys and references that are a problem for a sync with Ditto.

May import `conformance.inspection` and below. Start reading at `path.py`.
"""
