"""The generator: model -> documents -> MongoDB, from the same definitions that the rules check."""
