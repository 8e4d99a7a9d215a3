"""Documents as columns: each field is drawn with NumPy from a seed of its own, then zipped to documents.

Imports embeddings and conformance. Start at plan.py; recipes.py has what config/generation.yaml names; samplers.py
draws a value of each field kind.
"""
