"""A baseline: the violations that a team knows of, so that a run fails only on what is new.

The file holds, for each broken rule, how many violations it had and the ids of up to LIMIT of them, as MongoDB's
extended JSON: ``5`` and ``"5"`` are two documents. A violation is new if its id is not among them; for rules with more
violations than that, only an increase of the number counts as new.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from bson import json_util
from pydantic import BaseModel, ConfigDict, ValidationError

from conformance.errors import ConfigurationError
from conformance.files.strict_files import read_json
from conformance.results import KNOWN, Result, Sample

#: Ids kept per rule; a run against a baseline collects as many samples.
LIMIT: Final = 10_000

#: The identity of a violation of a rule.
Key = tuple[str, str]


class Known(BaseModel):
    """The known violations of one rule: ``ids`` of documents in extended JSON, ``refs`` of other places."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    violations: int
    ids: tuple[Any, ...] = ()
    refs: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """True if every violation is listed."""
        return len(self.ids) + len(self.refs) == self.violations

    def keys(self) -> Counter[Key]:
        """Every listed violation; a document can break a rule more than once."""
        return Counter([*(("_id", json.dumps(one)) for one in self.ids), *(("ref", one) for one in self.refs)])


def _typed(sample: Sample) -> Key:
    return ("_id", json.dumps(_extended(sample.id))) if sample.ref is None else ("ref", sample.ref)


def _as_string(sample: Sample) -> Key:
    """Return the key in a file of version 1, which kept every id and ref as a string."""
    return "_id", json.dumps(str(sample.id if sample.ref is None else sample.ref))


_KEYS: Final[Mapping[int, Callable[[Sample], Key]]] = {1: _as_string, 2: _typed}
_VERSION: Final = max(_KEYS)


@dataclass(frozen=True)
class Baseline:
    """The known violations by rule id; ``version`` is the file's."""

    rules: Mapping[str, Known]
    version: int = _VERSION


@dataclass(frozen=True)
class Comparison:
    """Results compared with a baseline, and the rules whose known violations have become fewer or none."""

    results: list[Result]
    fixed: Mapping[str, int]


def record(results: Sequence[Result], before: Baseline | None = None, *, rules: Collection[str] = ()) -> str:
    """Return the baseline file for these results, which must have been run with LIMIT samples.

    Entries of ``before`` stay for those of the model's ``rules`` that this run did not examine.
    """
    examined = {result.id for result in results if result.status in ("passed", "failed", "warned")}
    kept = {} if before is None else before.rules
    known = {rule_id: entry for rule_id, entry in kept.items() if rule_id in rules and rule_id not in examined}
    known |= {result.id: _known(result) for result in results if result.status in ("failed", "warned")}
    content = {rule_id: known[rule_id].model_dump() for rule_id in sorted(known)}
    return json.dumps({"schema_version": _VERSION, "rules": content}, indent=1) + "\n"


def _known(result: Result) -> Known:
    ids = sorted((_extended(sample.id) for sample in result.samples if sample.ref is None), key=json.dumps)
    refs = sorted(sample.ref for sample in result.samples if sample.ref is not None)
    return Known(violations=result.violations, ids=tuple(ids), refs=tuple(refs))


def load(path: Path) -> Baseline:
    """Read a baseline file; raise ConfigurationError, one line, for a file that is not one."""
    if not path.exists():
        raise ConfigurationError(f"{path}: there is no such baseline; make one with --update-baseline")
    content = read_json(path)
    try:
        version = content.get("schema_version", 1)
        if version not in _KEYS:
            raise ConfigurationError(
                f"{path}: found schema_version {version!r}, this version reads {_VERSION};"
                " write it again with --update-baseline"
            )
        return Baseline({rule_id: Known.model_validate(known) for rule_id, known in content["rules"].items()}, version)
    except (ValidationError, KeyError, TypeError, AttributeError):
        raise ConfigurationError(f"{path}: not a baseline; write it again with --update-baseline") from None


def compare(results: Iterable[Result], baseline: Baseline | None, shown: int) -> Comparison:
    """Compare each broken rule with the baseline; keep at most ``shown`` samples, new ones first.

    A rule whose violations are all known becomes a warning with a reason.
    """
    known = {} if baseline is None else baseline.rules
    key = _KEYS[_VERSION if baseline is None else baseline.version]
    compared, fixed = [], {}
    for result in results:
        before = known.get(result.id)
        if before is None or result.status not in ("passed", "failed", "warned"):
            compared.append(replace(result, samples=result.samples[:shown]))
            continue
        new, gone = _difference(result, before, key)
        compared.append(_compared(result, before, new, shown, key) if result.violations else result)
        if gone:
            fixed[result.id] = gone
    return Comparison(compared, fixed)


def _difference(result: Result, before: Known, key: Callable[[Sample], Key]) -> tuple[int, int]:
    """Return how many violations are new, and how many of the baseline are gone."""
    if before.complete and len(result.samples) == result.violations:
        old, now = before.keys(), Counter(key(sample) for sample in result.samples)
        return (now - old).total(), (old - now).total()
    return max(result.violations - before.violations, 0), max(before.violations - result.violations, 0)


def _compared(result: Result, before: Known, new: int, shown: int, key: Callable[[Sample], Key]) -> Result:
    known = result.violations - new
    if not new:
        reason = f"{KNOWN}all {result.violations} are in the baseline"
        return replace(result, status="warned", samples=result.samples[:shown], reason=reason, known=known)
    listed = before.keys()
    ordered = sorted(result.samples, key=lambda sample: key(sample) in listed)  # stable: new ones first
    reason = f"{new} new, {before.violations} in the baseline"
    return replace(result, samples=tuple(ordered[:shown]), reason=reason, known=known)


def _extended(value: Any) -> Any:
    """Return the value as JSON holds it, its BSON type included."""
    if isinstance(value, str):
        return value
    return json.loads(json_util.dumps(value, json_options=json_util.RELAXED_JSON_OPTIONS))
