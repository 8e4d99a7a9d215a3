"""Schemas: read from schemas/*.json, checked, and turned into a model.

May import `conformance.model.validators`, the modules of `conformance.model` and below. Start reading at `loading.py`.
vocabulary.json defines the x- keywords, vocabulary.py reports their misuse.
"""
