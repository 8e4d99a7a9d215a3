"""Family permissions: what each user may do is what they should, and nothing else.

May import `conformance.checks`, `conformance.ditto` and below. Start reading at `permissions.py`.
"""
