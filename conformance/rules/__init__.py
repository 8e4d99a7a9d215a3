"""WHAT is asked of the database: one module per family of rules.

Imports checks, server and everything below them. Start at catalogue.py, which lists the families.
"""
