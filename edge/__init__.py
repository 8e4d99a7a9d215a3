"""The edge: the real Ditto store, and what carries documents between it and MongoDB; names no collection of a model."""
