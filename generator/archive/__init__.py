"""Export and import of a database as archives with checksums.

Imports the loader and conformance. Start at transfer.py; archive.py is the file format.
"""
