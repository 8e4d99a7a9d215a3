"""Regular expressions of schemas: which ones every engine reads alike, and which take too long.

Imports text and errors. Start at portability.py; backtracking.py refuses patterns by their automaton (automaton.py).
"""
