"""Hypothesis strategies from the model: valid documents, boundary cases, and documents that break one stated rule.

Imports columns and conformance. Start at strategies.py.
"""
