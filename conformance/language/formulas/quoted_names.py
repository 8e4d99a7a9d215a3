"""Names in back quotes, for formulas: `Unit Price` is a field like any other."""

from __future__ import annotations

import ast
import re
from typing import Final

_QUOTED: Final = re.compile(r"(?P<text>'[^']*'|\"[^\"]*\")|`(?P<name>[^`]+)`")


def parse_formula(text: str) -> ast.expr:
    """Return the tree of an expression whose names may stand in back quotes; SyntaxError and ValueError as of Python.

    A name in the tree is the field's own, with blanks and all: `ast.unparse` gives its path.
    """
    names: dict[str, str] = {}

    def stand_in(match: re.Match[str]) -> str:
        name = match["name"]
        if name is None:
            return match[0]
        return names.setdefault(name, f"quoted_{len(names)}_{'_' * _longest(text)}")

    tree = ast.parse(_QUOTED.sub(stand_in, text.strip()), mode="eval").body
    own = {stand: name for name, stand in names.items()}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = own.get(node.id, node.id)
        elif isinstance(node, ast.Attribute):
            node.attr = own.get(node.attr, node.attr)
    return tree


def _longest(text: str) -> int:
    """Return how many underscores no name of the text ends with."""
    return max((len(found) for found in re.findall(r"_+", text)), default=0) + 1
