"""Validators: a schema applied to one document by `jsonschema`, and translated into a MongoDB validator.

May import the modules of `conformance.model`, except its package `schemas`, and below. Start reading at
`document_validator.py`; `server_validator.py` makes the validator of a collection.
"""
