"""The command line, thin over the library: one module per group of commands."""
