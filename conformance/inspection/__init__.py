"""A first verdict on any database, without a model: what stands between its documents and Ditto's devices.

Start at `inspection.py`. `scan.py` reads every document once; `profile.py` counts what it finds, path by path.
"""
