"""One pass over children and parents: missing parents, copies that differ, totals that are off.

Imports the checks beside it and below. Start at join.py, which builds the pipeline; parents.py, copies.py and sums.py
each add their part and read their part of the answer.
"""
