"""`zava init`: a starter model and what a repository needs around it.

Imports zava.verdict, zava.terminal and below. `model/` and `ci/` hold the files as they are written. Start at init.py.
"""
