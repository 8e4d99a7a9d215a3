"""Which rules a run is about: a name that matches nothing is an error, with what was likely meant and what exists."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Final

from conformance.checks.base import Rule
from conformance.errors import ConfigurationError
from conformance.text.suggestion import nearest

#: Names that are listed in one line.
_MAX_LISTED: Final = 10


def select(rules: Iterable[Rule], only: Sequence[str] = (), collection: str | None = None) -> list[Rule]:
    """Return the rules that match any of the patterns (shell-style, or a part of the id) and the collection.

    Raises ConfigurationError, one line, when the collection or one of the patterns matches no rule, or both together
    match none.
    """
    every = list(rules)
    collections = {rule.collection for rule in every}
    if collection is not None and collection not in collections:
        raise ConfigurationError(
            f"--collection: there is no collection {collection!r}{_suggestion(collection, collections)}; the"
            f" collections are {', '.join(sorted(collections))}"
        )
    for pattern in only:
        if not any(_matches(rule, pattern) for rule in every):
            names = {part for rule in every for part in (rule.id, rule.family, rule.collection)}
            raise ConfigurationError(
                f"--only: no rule matches {pattern!r}{_suggestion(pattern, names)}; {existing(every)}"
            )
    chosen = [rule for rule in every if collection is None or rule.collection == collection]
    found = [rule for rule in chosen if not only or any(_matches(rule, pattern) for pattern in only)]
    if not found:
        raise ConfigurationError(
            f"no rule of {collection} matches {' or '.join(map(repr, only))}; its rules are"
            f" {_listed([rule.id for rule in chosen])}"
        )
    return found


def existing(rules: Sequence[Rule]) -> str:
    """Return what can be selected, in one line."""
    families = sorted({rule.family for rule in rules})
    return f"the families are {', '.join(families)}; `zava rules` lists all {len(rules)} rules"


def find_rule(rules: Sequence[Rule], rule_id: str) -> Rule:
    """Return the rule with the id; ConfigurationError, one line with suggestions, when there is none."""
    found = next((rule for rule in rules if rule.id == rule_id), None)
    if found is not None:
        return found
    ids = [rule.id for rule in rules]
    near = get_close_matches(rule_id, ids, 3) or [each for each in ids if rule_id in each][:3]
    hint = f"did you mean {', '.join(near)}?" if near else existing(rules)
    raise ConfigurationError(f"there is no rule {rule_id!r}; {hint}")


def _matches(rule: Rule, pattern: str) -> bool:
    return pattern in rule.id or fnmatchcase(rule.id, pattern)


def _suggestion(name: str, names: Iterable[str]) -> str:
    near = nearest(name, sorted(names))
    return f" (did you mean {near}?)" if near is not None else ""


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
    return ", ".join(names[:_MAX_LISTED]) + more
