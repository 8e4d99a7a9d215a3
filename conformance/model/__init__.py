"""A model as frozen dataclasses: collections, fields, references and indexes, read from schemas/*.json and checked.

Imports only strict_files, text and errors. Start at collection.py; loading.py reads the files; kinds.py lists the field
kinds; vocabulary.py defines the x- keywords; server_validator.py translates a schema to MongoDB's $jsonSchema.
"""
