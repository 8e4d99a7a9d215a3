"""A model of how Ditto merges concurrent changes, compared with the real store by tests.

Imports store. Start at document.py; operations.py lists what a device can do to a document.
"""
