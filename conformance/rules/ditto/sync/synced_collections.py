"""Rules of family sync on the database's collections: each is one that the connector can work on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from conformance.checks.base import Context, Rule, listed, skipped
from conformance.results import Outcome, Sample
from conformance.server.metadata import live_collections


def check_database(context: Context, rules: Sequence[Rule]) -> Mapping[str, Outcome]:
    """List the database's collections once for all the rules on them."""
    there = live_collections(context.database)
    outcomes = {}
    for rule in rules:
        name = rule.collection
        live = there.get(name)
        if live is None or live.type != "collection":
            why = (
                "the collection does not exist" if live is None else f"it is a {live.type}, which has no change stream"
            )
            missing = listed(context, 1, [Sample(why, ref=name)])
            named = f"sync.{name}.exists" if context.model[name].synced else f"validators.{name}.present"
            outcomes[rule.id] = missing if rule.subject == "exists" else skipped(f"see {named}")
        elif rule.subject == "not_capped" and live.losing:
            outcomes[rule.id] = listed(context, 1, [Sample(live.losing, ref=name)])
        else:
            outcomes[rule.id] = listed(context, 1, [])
    return outcomes
