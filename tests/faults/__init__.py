"""The fault catalogue: make a fault, run the rules, compare the results with what the fault declares, undo the fault.

- The faults are in the YAML files. catalogue.py reads them (fault.schema.json); expansion.py makes one fault per field,
  bound, index or collection from a pattern.
- engine/ makes and undoes faults, and compares what the rules report with what is declared.
- kill_matrix.py compares kill_matrix.json, the faults that each rule reports; reasons.yaml holds texts of findings.

Start at test_faults.py; docs/FAULTS.md explains how to write a fault.
"""
