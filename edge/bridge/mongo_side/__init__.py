"""MongoDB's side of the bridge: its change stream, folded events, write errors and waiting times.

Imports the bridge's state and below. Start at change_stream.py; event_folding.py makes one change of many events.
"""
