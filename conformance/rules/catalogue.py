"""The catalogue: every family's rules for a model, in one list."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import chain
from typing import Any, Final

from conformance.checks.base import Rule
from conformance.checks.document_scan import DocumentTest
from conformance.config.acceptance import SEPARATOR, SeverityOverride, Waiver
from conformance.config.configuration import Configuration
from conformance.errors import ConfigurationError
from conformance.model.collection import Model
from conformance.rules.data import business, counts, documents, embeddings, references, snapshots, totals, uniqueness
from conformance.rules.ditto.crdt import shapes
from conformance.rules.ditto.permissions import permissions
from conformance.rules.ditto.sync import connector, device_queries, ejson_queries, subscriptions, unsynced_documents
from conformance.rules.server import indexes, queries, roles, security, streams, validators
from conformance.text.masking import mask

#: Families in the order in which a reviewer reads them.
FAMILIES: Final[Mapping[str, Callable[[Model, Configuration], Iterator[Rule]]]] = {
    "counts": counts.rules,
    "documents": documents.rules,
    "references": references.rules,
    "uniqueness": uniqueness.rules,
    "snapshots": snapshots.rules,
    "totals": totals.rules,
    "business": business.rules,
    "crdt": shapes.rules,
    "indexes": indexes.rules,
    "queries": queries.rules,
    "validators": validators.rules,
    "streams": streams.rules,
    "sync": lambda model, configuration: chain(
        connector.rules(model, configuration),
        unsynced_documents.rules(),
        subscriptions.rules(model, configuration),
        device_queries.rules(model, configuration),
        ejson_queries.rules(model, configuration),
    ),
    "permissions": permissions.rules,
    "embeddings": embeddings.rules,
    "security": lambda model, configuration: chain(
        security.rules(model, configuration), roles.rules(model, configuration)
    ),
}
#: Families whose rules read documents rather than metadata or configuration.
DATA_FAMILIES: Final = ("counts", "documents", "references", "uniqueness", "snapshots", "totals", "business", "crdt")


def all_rules(model: Model, configuration: Configuration) -> list[Rule]:
    """Every rule of the model. Raises ConfigurationError when two statements make rules of one id."""
    found = [rule for family in FAMILIES.values() for rule in family(model, configuration)]
    for override in configuration.severities:
        found = _overridden(found, override, model)
    for waiver in configuration.waivers:
        found = _waivable(found, waiver, model)
    ids = [rule.id for rule in found]
    if len(ids) != len(set(ids)):
        twice = ", ".join(sorted({one for one in ids if ids.count(one) > 1}))
        raise ConfigurationError(f"{model.config('rules.yaml')}: there are two rules {twice}; give one another subject")
    return [_shown(rule) for rule in found]


def _shown(rule: Rule) -> Rule:
    """Return the rule with its texts masked: parts of them come from configuration files."""
    return replace(rule, title=mask(rule.title), why=mask(rule.why), fix=mask(rule.fix), note=mask(rule.note))


def _overridden(rules: list[Rule], override: SeverityOverride, model: Model) -> list[Rule]:
    """Return the rules, those that the override names with its severity and its reason."""
    if not any(fnmatchcase(rule.id, override.rule) for rule in rules):
        raise ConfigurationError(
            f"{model.config('severity.yaml')}: no rule matches {override.rule!r}; `zava rules` lists them"
        )
    changed: dict[str, Any] = {"thresholds": override}
    if override.severity is not None:
        note = f"severity set to {override.severity}: {override.reason}"
        changed = {"severity": override.severity, "note": note}
    return [replace(rule, **changed) if fnmatchcase(rule.id, override.rule) else rule for rule in rules]


def _waivable(rules: list[Rule], waiver: Waiver, model: Model) -> list[Rule]:
    """Return the rules, those that the waiver names with it."""
    if not any(fnmatchcase(rule.id, waiver.rule) for rule in rules):
        raise ConfigurationError(
            f"{model.config('waivers.yaml')}: no rule matches {waiver.rule!r}; `zava rules` lists them"
        )
    waived = [_waived(rule, waiver) if fnmatchcase(rule.id, waiver.rule) else rule for rule in rules]
    if waived == rules:
        raise ConfigurationError(
            f"{model.config('waivers.yaml')}: {waiver.rule!r} matches no rule that can be waived at a path; leave out"
            " path, or name a rule that lists every place, such as crdt.*.arrays"
        )
    return waived


def _waived(rule: Rule, waiver: Waiver) -> Rule:
    """Return the rule with the waiver; one of a path needs a rule that names every place of a document."""
    if waiver.path is None:
        return replace(rule, waivers=(*rule.waivers, waiver))
    every = rule.check.every if isinstance(rule.check, DocumentTest) else None
    if every is None:
        return rule
    check = replace(rule.check, why=lambda document: SEPARATOR.join(every(document)) or None)  # type: ignore[type-var]
    return replace(rule, check=check, waivers=(*rule.waivers, waiver))
