"""The bridge under torture: faults happen while both sides write, and an independent comparison judges both sides.

`actor` is the process that is tortured (`zava sync` and a device that writes into the same store), `arena` starts and
ends such processes and writes to MongoDB meanwhile, `faults` holds the scenarios, `strays` the documents that cannot
or can hardly cross, and `comparison` decides from the documented rules alone what both sides must hold in the end.
"""
