"""Selection of rules; a name that matches nothing is an error with a suggestion."""

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


def select(
    rules: Iterable[Rule],
    only: Sequence[str] = (),
    collection: str | None = None,
    exclude: Sequence[str] = (),
) -> list[Rule]:
    """Return the rules that match any of the patterns (shell-style, or a part of the id) and any of the collections.

    Rules that match a pattern of ``exclude`` are left out. Each value may be a list with commas. Raises
    ConfigurationError, one line, when a collection or a pattern matches no rule, or all together leave none.
    """
    every = list(rules)
    wanted, unwanted = _parts(every, "--only", only), _parts(every, "--exclude", exclude)
    collections = _collections(every, collection)
    chosen = [rule for rule in every if not collections or rule.collection in collections]
    found = [rule for rule in chosen if not wanted or any(_matches(rule, pattern) for pattern in wanted)]
    if not found:
        raise ConfigurationError(
            f"no rule of {collection} matches {' or '.join(map(repr, wanted))}; its rules are"
            f" {_listed([rule.id for rule in chosen])}"
        )
    left = [rule for rule in found if not any(_matches(rule, pattern) for pattern in unwanted)]
    if not left:
        raise ConfigurationError(
            f"--exclude: {' or '.join(map(repr, unwanted))} leaves none of the {len(found)} chosen rules; exclude fewer"
        )
    return left


def _parts(rules: Sequence[Rule], option: str, values: Sequence[str]) -> list[str]:
    """Return the patterns of an option; each must match a rule."""
    patterns = _split(option, values)
    for pattern in patterns:
        if not any(_matches(rule, pattern) for rule in rules):
            names = {part for rule in rules for part in (rule.id, rule.family, rule.collection)}
            raise ConfigurationError(
                f"{option}: no rule matches {pattern!r}{_suggestion(pattern, names)}; {existing(rules)}"
            )
    return patterns


def _collections(rules: Sequence[Rule], value: str | None) -> list[str]:
    """Return the chosen collections; each must have a rule."""
    there = {rule.collection for rule in rules}
    chosen = _split("--collection", [] if value is None else [value])
    for name in chosen:
        if name not in there:
            raise ConfigurationError(
                f"--collection: there is no collection {name!r}{_suggestion(name, there)}; the"
                f" collections are {', '.join(sorted(there))}"
            )
    return chosen


def _split(option: str, values: Sequence[str]) -> list[str]:
    parts = [part.strip() for value in values for part in value.split(",")]
    if not all(parts):
        raise ConfigurationError(f"{option}: a part of the list is empty; write names with a comma between two")
    return parts


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
