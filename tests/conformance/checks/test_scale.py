"""No pipeline of the library uses stages that sharded collections do not support; see docs/SCALE.md."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from conformance.checks.base import Rule
from conformance.run.query_recorder import record
from tests.conformance.embedded.processes import ROOT
from tests.validation import shipped_project

#: Every aggregation stage of MongoDB 8.0's manual.
EVERY = """
$addFields $bucket $bucketAuto $changeStream $changeStreamSplitLargeEvent $collStats $count $currentOp $densify
$documents $facet $fill $geoNear $graphLookup $group $indexStats $limit $listLocalSessions $listSampledQueries
$listSearchIndexes $listSessions $lookup $match $merge $out $planCacheStats $project $querySettings $queryStats
$redact $replaceRoot $replaceWith $sample $search $searchMeta $set $setWindowFields $shardedDataDistribution $skip
$sort $sortByCount $unionWith $unset $unwind $vectorSearch
"""
#: The stages among them that the harness uses, in the forms that the manual allows on sharded collections.
NEEDED = """
$addFields $changeStream $collStats $count $currentOp $documents $group $indexStats $limit $listSearchIndexes $lookup
$match $project $redact $replaceRoot $replaceWith $search $set $skip $sort $unionWith $unset $unwind $vectorSearch
"""
STAGES, ALLOWED = frozenset(EVERY.split()), frozenset(NEEDED.split())
#: Modules that name a stage without using it.
NAMING = {"conformance/run/query_recorder.py": {"$graphLookup"}}
#: Operators that run JavaScript, which a cluster of somebody else may have switched off.
SCRIPTS = frozenset({"$where", "$function", "$accumulator"})
PROJECT = shipped_project()
MODULES = sorted([*(ROOT / "conformance").rglob("*.py"), *(ROOT / "edge").rglob("*.py")])


def used(source: str) -> set[str]:
    """Return stages and scripts that are keys of dict displays in the source."""
    keys = {
        key.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    }
    return keys & (STAGES | SCRIPTS)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_uses_only_stages_allowed_on_sharded_collections(path: Any) -> None:
    named = NAMING.get(path.relative_to(ROOT).as_posix(), set())
    assert used(path.read_text(encoding="utf-8")) - named <= ALLOWED


def test_disallowed_stage_is_found() -> None:
    assert used("stages = [{'$facet': {}}, {'$match': {'$where': 'x'}}]") == {"$facet", "$match", "$where"}


def stages(part: Any) -> Iterator[tuple[str, Any]]:
    """Yield every operator of a pipeline with its argument, at any depth."""
    if isinstance(part, Mapping):
        for key, inner in part.items():
            yield key, inner
            yield from stages(inner)
    elif isinstance(part, list | tuple):
        for inner in part:
            yield from stages(inner)


@pytest.mark.parametrize("rule", PROJECT.rules, ids=lambda rule: rule.id)
def test_rule_uses_only_forms_allowed_on_sharded_collections(rule: Rule) -> None:
    questions = record(rule, PROJECT.model, PROJECT.configuration, PROJECT.settings).questions
    for question in questions:
        if question.method != "aggregate":
            continue
        assert {stage for one in question.argument for stage in one} <= ALLOWED
        for operator, argument in stages(question.argument):
            assert operator not in SCRIPTS
            if operator == "$lookup":
                assert set(argument) == {"from", "localField", "foreignField", "as"}
            if operator == "$unionWith":
                assert all("$unionWith" not in dict(stages(inner)) for inner in argument.get("pipeline", ()))
