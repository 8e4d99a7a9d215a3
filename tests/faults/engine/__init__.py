"""The fault engine: make a fault, run the rules that it can touch, compare, undo.

- A fault is made by documents.py (documents), server_state.py (collections, options, indexes), place.py (files of the
  model's folder, and the databases that are edited) or servers.py (other servers); values.py makes an edit's values.
- batches.py decides which faults are made together; reading.py finds the collections that a rule reads;
  expectations.py compares declaration and results.

Start at fault_runner.py. The tests of the engine are in tests/faults/test_engine.py.
"""
