"""Generate a conformant dataset from the model and load it: strategies, column samplers, embeddings, archives.

Imports conformance. Start at dataset.py (the whole dataset) and columns/plan.py (which columns a collection needs).
"""
