"""Rules on the server and the project: indexes, query plans, validators, change streams, roles, credentials in files.

Imports checks, server and below. Start at indexes.py; queries.py compares query plans.
"""
