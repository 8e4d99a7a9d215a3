"""HOW a rule asks the database: the mechanisms that the rules share.

Imports ditto, language, config, the model and below; never a rule. Start at base.py. document_scan.py answers all
tests of single documents in one scan, joins/join.py all questions about children and parents in one pass. With a server
on the same machine, survey.py first reads each collection once, as columns, to find the documents worth asking about.
"""
