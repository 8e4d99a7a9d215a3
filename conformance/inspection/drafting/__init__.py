"""A model drafted from a database: fields, indexes and files, and the choices that the data leaves open.

May import `conformance.inspection` and below. Start reading at `draft.py`.
"""
