"""The fault catalogue: make a fault, run the rules, compare the results with what the fault declares, undo the fault.

- The faults are in the YAML files. catalogue.py reads them (fault.schema.json); expansion.py makes one fault per field,
  bound, index or collection from a pattern; values.py makes the values of an edit.
- A fault is made by documents.py (documents), server_state.py (collections, options, indexes), place.py (files of the
  model's folder, and the databases that are edited) or servers.py (other servers).
- fault_runner.py makes faults, runs the rules, compares and undoes; batches.py decides which faults are made together;
  reading.py finds the collections that a rule reads; expectations.py compares declaration and results.
- kill_matrix.py compares kill_matrix.json, the faults that each rule reports; reasons.yaml holds texts of findings.

Start at test_faults.py; docs/FAULTS.md explains how to write a fault.
"""
