"""Commands that read or write documents: generate, provision, export, import, import-source, add-product, embed, clear.

Imports zava.terminal and below. Start at generate.py (generate and provision). product.py and original.py are about the
Zava shop only.
"""
