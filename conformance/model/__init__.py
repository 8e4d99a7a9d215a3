"""A model as frozen dataclasses: collections, fields, references and indexes, read from schemas/*.json and checked.

Imports files, patterns, text and errors. Start at collection.py; loading.py reads the files; kinds.py lists the field
kinds; vocabulary.json defines the x- keywords, vocabulary.py reports their misuse; server_validator.py translates a
schema to MongoDB's $jsonSchema.
"""
