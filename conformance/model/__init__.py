"""A model as frozen dataclasses: collections, fields, references and indexes, read from schemas/*.json and checked.

Imports files, patterns, text and errors. Start at collection.py; loading.py reads the files; kinds.py lists the field
kinds; vocabulary.py defines the x- keywords; server_validator.py translates a schema to MongoDB's $jsonSchema.
"""
