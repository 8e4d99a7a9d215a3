"""Rules on documents: counts, schemas, references, uniqueness, copies, totals, business statements, vectors.

Imports checks and below. Start at documents.py; configured.py makes rules of the statements in config/rules.yaml.
"""
