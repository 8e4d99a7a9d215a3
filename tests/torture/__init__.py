"""Torture of the bridge: faults happen while both sides write, and an independent comparison checks both sides.

`actor` is the tortured process (`zava sync` and a device that writes into the same store), `arena` starts and ends such
processes and writes to MongoDB meanwhile, `faults` holds the scenarios, `strays` the documents that cannot be synced or
only just, and `comparison` decides from the documented rules alone what both sides must hold in the end.
"""
