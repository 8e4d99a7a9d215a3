"""Vectors for texts: the shipped model, Azure OpenAI, and when a vector is out of date.

Imports conformance only. Start at embedder.py.
"""
