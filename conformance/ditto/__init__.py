"""The configuration files that concern Ditto: connector, permissions and subscriptions.

Imports language, config, the model and below; never the Ditto SDK (that is edge/). Start at connector.py.
"""
