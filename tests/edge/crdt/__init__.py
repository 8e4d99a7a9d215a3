"""tests/edge/crdt."""
