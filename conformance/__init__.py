"""The library: read a model, ask a MongoDB server, return results.

It names no collection and imports no other package of this project.

Start at model/collection.py (what a model is), rules/catalogue.py (which rules a model has) and run/runner.py.
"""
