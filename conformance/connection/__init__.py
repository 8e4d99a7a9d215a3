"""The connection to a MongoDB server: the connection string, the client, and why a server cannot be used.

Imports the model and below. Start at client.py; collation.py makes every query compare by the simple collation.
"""
