"""Tests of single documents: all of a collection's are answered by one scan when it is clean.

Each test has a `screen`, a cheap query that every violating document meets, often shared by many tests (not meeting
the validator, say). One `find` for the disjunction of a collection's screens settles them all; only tests whose screen
found something are then asked one by one, and of few suspects by their _ids.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bson import json_util
from pymongo.collection import Collection as MongoCollection

from conformance.checks.base import Context, Document, Found, Rule, skipped
from conformance.columns.layout import Array, Batch
from conformance.config.acceptance import WAIVED, waived_document
from conformance.connection.decoding import OPTIONS
from conformance.model.collection import Field
from conformance.model.paths import is_single, steps, values_at
from conformance.results import Outcome, Sample
from conformance.text.rendering import shorten

Query = dict[str, Any]

#: Bytes that are not UTF-8 are kept, as halves of surrogate pairs.
_ESCAPED: Final = OPTIONS.with_options(unicode_decode_error_handler="surrogateescape")
#: Suspects that are few enough to be asked for one by one.
FEW: Final = 1000


@dataclass(frozen=True)
class InColumns:
    """A test on columns: documents its screen may find; those that its guards select, and where that is unknown."""

    suspects: Callable[[Batch], Array]
    guards: Callable[[Batch], tuple[Array, Array]] | None = None


@dataclass(frozen=True, eq=False)
class DocumentTest:
    """A check that looks at each document by itself.

    ``violating`` selects exactly the broken documents, and ``why`` explains one; when a query cannot tell,
    ``violating`` is None and ``why`` decides for each document of the screen (None: it is fine). ``guards`` are
    expressions that are all true of a document that can be examined; where no document can, the rule is skipped,
    and ``needs`` names the fields that were looked for. ``field`` is the top-level field that it is about. ``every``
    yields each problem of a document, which begins with the path of its place; ``why`` then is the first.
    ``in_columns`` says the same as ``guards`` and ``screen`` where these have expressions that columns do not evaluate.
    ``alone`` is a cheaper screen for a run in which no other test has this one.
    """

    collection: str
    screen: Query
    why: Callable[[Document], str | None]
    violating: Query | None = None
    guards: tuple[Any, ...] = ()
    needs: str = ""
    field: str | None = None
    every: Callable[[Document], Iterator[str]] | None = None
    in_columns: InColumns | None = None
    alone: Query | None = None

    @property
    def group(self) -> str:
        """See Rule.group: one scan answers all tests of a collection."""
        return self.collection

    def __call__(self, context: Context, rules: Sequence[Rule]) -> Mapping[str, Outcome]:
        """See Check."""
        return screen(context, rules)


def first(every: Callable[[Document], Iterator[str]]) -> Callable[[Document], str | None]:
    """Return what explains a document by the first of its problems."""
    return lambda document: next(every(document), None)


def screens(tests: Sequence[DocumentTest]) -> list[Query]:
    """Return the query that screens documents for each test of a run: one screen for many, or a cheaper one for one.

    Equal queries are one object.
    """
    keys = [_key(test.screen) for test in tests]
    shared = Counter(keys)
    queries = [
        test.screen if test.alone is None or shared[key] > 1 else test.alone
        for test, key in zip(tests, keys, strict=True)
    ]
    same: dict[str, Query] = {}
    return [same.setdefault(_key(query), query) for query in queries]


def _key(query: Query) -> str:
    return json.dumps(query, default=json_util.default, sort_keys=True)


def screen(context: Context, rules: Sequence[Rule]) -> Mapping[str, Outcome]:
    """Return the outcomes of rules whose checks are DocumentTests of one collection, in as few scans as may be."""
    tests = {rule: rule.check for rule in rules if isinstance(rule.check, DocumentTest)}
    name = next(iter(tests.values())).collection
    collection, here = context.collection(name), context.range(name).of("_id")
    if not context.counts[name]:
        return {rule.id: skipped(f"{name} is empty") for rule in rules}
    size = context.number(name, here)
    outcomes: dict[str, Outcome] = {}
    surveyed = {rule: context.findings[test] for rule, test in tests.items() if test in context.findings}
    sizes = _sizes(collection, here, {rule: test for rule, test in tests.items() if rule not in surveyed}, size)
    sizes |= {rule: found.examined[""] for rule, found in surveyed.items()}
    settled = {rule for rule, found in surveyed.items() if not (found.suspects or found.many)}
    outcomes |= {rule.id: Outcome(sizes[rule]) for rule in settled}
    if surveyed.keys() == tests.keys():
        here = _suspected(collection, surveyed.values()) or here
    suspects: dict[int, list[Rule]] = defaultdict(list)
    queries: dict[int, Query] = {}
    left = [rule for rule in tests if rule not in settled]
    for rule, query in zip(left, screens([tests[rule] for rule in left]), strict=True):
        if not size:
            outcomes[rule.id] = skipped(f"no document of {name} is in this part")
            continue
        queries[id(query)] = query
        suspects[id(query)].append(rule)
    narrow = _narrow(collection, list(queries.values()), here)
    for key, query in queries.items():
        if narrow is None or collection.find_one({**narrow, "$and": [query]}, {"_id": 1}) is None:
            outcomes |= {rule.id: Outcome(sizes[rule]) for rule in suspects[key]}
        else:
            sharing = {rule: tests[rule] for rule in suspects[key]}
            outcomes |= _one_by_one(context, name, sizes, {**narrow, "$and": [query]}, sharing, narrow)
    return outcomes | {
        rule.id: skipped(f"no document of {name} has {test.needs}")
        for rule, test in tests.items()
        if size and not sizes[rule] and not outcomes[rule.id].violations
    }


def _suspected(collection: MongoCollection[Document], surveyed: Iterable[Found]) -> Query | None:
    """Return a query for all suspects by their _ids; None where they are many, or cannot be asked for."""
    found = list(surveyed)
    ids = {json_util.dumps(one): one for each in found for one in each.suspects}
    query: Query = {"_id": {"$in": list(ids.values())}}
    few = len(ids) <= FEW and not any(each.many for each in found)
    return query if ids and few and collection.count_documents(query) == len(ids) else None


def _sizes(
    collection: MongoCollection[Document], here: Query, tests: Mapping[Rule, DocumentTest], size: int
) -> dict[Rule, int]:
    """Return how many documents each test can examine; all that have guards are counted in one scan."""
    guarded = {rule: test.guards for rule, test in tests.items() if test.guards}
    sizes = dict.fromkeys(tests, size)
    if not guarded or not size:
        return sizes
    numbers = {
        f"n{n}": {"$sum": {"$cond": [{"$and": list(guards)}, 1, 0]}} for n, guards in enumerate(guarded.values())
    }
    counted = collection.aggregate([*([{"$match": here}] if here else []), {"$group": {"_id": None, **numbers}}])
    found = next(iter(counted), {})  # nothing where the last document has gone meanwhile
    return sizes | {rule: found.get(f"n{n}", 0) for n, rule in enumerate(guarded)}


def _narrow(collection: MongoCollection[Document], screens: list[Query], here: Query) -> Query | None:
    """Return a query for the documents that any screen finds; None if there are none.

    Few are asked for by _id, which saves a scan of the collection per test; of many, and of those that cannot be asked
    for by what Python reads of their _id (bytes that are no text), all that are ``here`` are looked at again.
    """
    if not screens:
        return None
    few = [one["_id"] for one in collection.find({"$or": screens, **here}, {"_id": 1}).limit(FEW + 1)]
    if not few:
        return None
    by_id: Query = {"_id": {"$in": few}}
    return by_id if len(few) <= FEW and collection.count_documents({**by_id, "$or": screens}) == len(few) else here


def _one_by_one(
    context: Context,
    name: str,
    sizes: Mapping[Rule, int],
    suspects: Query,
    tests: Mapping[Rule, DocumentTest],
    narrow: Query,
) -> dict[str, Outcome]:
    collection = context.collection(name)
    outcomes: dict[str, Outcome] = {}
    deciding: dict[Rule, DocumentTest] = {}
    for rule, test in tests.items():
        if test.violating is None:
            deciding[rule] = test
            continue
        violating = {**narrow, "$and": [test.violating]}
        violations = collection.count_documents(violating)
        found = collection.find(violating).sort("_id", 1).limit(context.sample_size) if violations else ()
        samples = context.samples(
            Sample(test.why(one) or _unseen_cause(context, test, one["_id"]) or rule.title, one["_id"]) for one in found
        )
        outcomes[rule.id] = Outcome(max(sizes[rule], violations), violations, samples)
    if deciding:
        outcomes |= _decide(context, name, sizes, suspects, deciding)
    return outcomes


def violating(context: Context, rule: Rule, test: DocumentTest) -> Iterator[Sample]:
    """Yield every violation of one rule, in the order of _id; the documents are read one after another."""
    decides = test.violating is None
    query = test.screen if test.violating is None else test.violating
    for document in context.collection(test.collection).find(query).sort("_id", 1):
        why = test.why(document)
        if why is None and not decides:
            why = _unseen_cause(context, test, document["_id"]) or rule.title
        if why is not None:
            yield Sample(why, document["_id"])


def _unseen_cause(context: Context, test: DocumentTest, identity: Any) -> str | None:
    """Name what the driver hides of a document: BSON symbols, read as strings, and invalid UTF-8; None for neither."""
    fields = [one for one in context.model[test.collection].everywhere() if test.field in (None, steps(one.path)[0])]
    return _symbol(context, test, identity, fields) or _undecodable(context, test, identity, fields)


def _symbol(context: Context, test: DocumentTest, identity: Any, fields: Sequence[Field]) -> str | None:
    paths = [field.path for field in fields if is_single(field.path)]
    types = {f"t{place}": {"$type": f"${path}"} for place, path in enumerate(paths)}
    pipeline: list[Query] = [{"$match": {"_id": identity}}, {"$project": {"_id": 0, **types}}]
    found = next(iter(context.collection(test.collection).aggregate(pipeline)), {})
    held = [path for place, path in enumerate(paths) if found.get(f"t{place}") == "symbol"]
    return f"{', '.join(held)} has the BSON type symbol; expected string; write it as a string" if held else None


def _undecodable(context: Context, test: DocumentTest, identity: Any, fields: Sequence[Field]) -> str | None:
    document = context.collection(test.collection).with_options(codec_options=_ESCAPED).find_one({"_id": identity})
    texts = (found for field in fields for found in values_at(document, field.path) if isinstance(found[1], str))
    for place, text in texts:
        stored = text.encode("utf-8", "surrogateescape")
        try:
            stored.decode()
        except UnicodeDecodeError as error:
            shown = shorten(stored.decode("utf-8", "replace"))
            byte = f"byte 0x{stored[error.start]:02X} at {error.start}"
            return f"{place} {shown} is not valid UTF-8 ({byte}); write it again in UTF-8"
    return None


def _decide(
    context: Context, name: str, sizes: Mapping[Rule, int], suspects: Query, tests: Mapping[Rule, DocumentTest]
) -> dict[str, Outcome]:
    """One walk over the suspects for all tests that only Python can decide; holds counts and samples only."""
    tallies = {rule: _Found(rule, context.sample_size) for rule in tests}
    for document in context.collection(name).find(suspects).sort("_id", 1):
        for rule, test in tests.items():
            why = test.why(document)
            if why is not None:
                tallies[rule].add(Sample(why, document["_id"]))
    return {rule.id: found.outcome(sizes[rule]) for rule, found in tallies.items()}


class _Found:
    """The violations of a rule, counted; those that waivers of paths accept are counted and listed apart."""

    def __init__(self, rule: Rule, listed: int) -> None:
        self._is_waived = waived_document(rule.waivers, dt.datetime.now(dt.UTC).date())
        self._listed = listed
        self._numbers = {True: 0, False: 0}
        self._samples: dict[bool, list[Sample]] = {True: [], False: []}

    def add(self, sample: Sample) -> None:
        """Count a violation."""
        waived = self._is_waived is not None and self._is_waived(sample.why)
        self._numbers[waived] += 1
        if len(self._samples[waived]) < self._listed:
            self._samples[waived].append(sample)

    def outcome(self, examined: int) -> Outcome:
        """Return the outcome, with the number of waived violations as evidence, and samples of the others if any."""
        samples = tuple(self._samples[False] or self._samples[True])
        evidence = {WAIVED: self._numbers[True]} if self._is_waived is not None else {}
        return Outcome(examined, sum(self._numbers.values()), samples, evidence=evidence)
