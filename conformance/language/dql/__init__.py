"""Ditto's query language: its tokens, its grammar as nodes, and what its expressions mean.

May import `conformance.model` and below. Start reading at `parser.py`.
"""
