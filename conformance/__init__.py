"""The conformance library: a model, the rules derived from it, and the results of running them."""
