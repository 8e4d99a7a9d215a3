"""The embedded MongoDB server: which mongod is started, by whom it is owned, and how its clients share it.

Imports files, extras and errors. Start at server.py; supervisor.py is the process that owns mongod.
"""
