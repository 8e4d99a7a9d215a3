"""The rules: one module per family, each deriving its rules from the model."""
