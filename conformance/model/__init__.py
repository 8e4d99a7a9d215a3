"""A model as frozen dataclasses: collections, fields, references and indexes; kinds of fields, and paths to them.

Imports files, patterns, text and errors. Start at collection.py; kinds.py lists the field kinds; schemas/ reads a model
from its files, validators/ checks documents.
"""
