"""Statistics: counts of documents compared with a configured distribution, by a G-test of known power.

May import `conformance.checks.base`, `conformance.language` and below. Start at `distribution.py`.
"""
