"""tests/conformance/rules/ditto/crdt."""
