"""Text that people see: values rendered and shortened, secrets masked, invisible characters shown, names suggested.

Imports only errors. Start at rendering.py; masking.py hides what credentials.py finds.
"""
