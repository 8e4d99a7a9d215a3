"""Findings: the broken rules as a reader meets them, what has one cause together, and the worst first.

Results of a family with the same fault in several collections are one finding with several places. A result that
follows from another stands below it: a slow query below the index that is missing, references that lead nowhere below
the documents that were lost, a second rule on the same documents below the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from conformance.report.headline import headline
from conformance.results import Report, Result
from conformance.rules.families import FAMILIES
from conformance.text.paths import as_subject

Kind = Literal["failed", "error", "warned", "known"]
#: Kinds of findings, the most urgent first; ``known`` is in the baseline.
KINDS: Final[tuple[Kind, ...]] = ("failed", "error", "warned", "known")
#: The explanation of a validators rule when the collection does not exist.
NO_COLLECTION: Final = "the collection does not exist"
#: Rules of the indexes family that are not about one declared index.
_NOT_ONE_INDEX: Final = ("extra", "redundant", "foreign-keys")
_FAMILIES: Final = {name: place for place, name in enumerate(FAMILIES)}


@dataclass(frozen=True)
class Finding:
    """Results of one cause, and the findings that follow from it; ``relation`` says how this one follows, if it does.

    ``relation`` is empty in a finding that stands by itself.
    """

    results: tuple[Result, ...]
    consequences: tuple[Finding, ...] = ()
    relation: str = ""

    @property
    def first(self) -> Result:
        """The result that stands for all."""
        return self.results[0]

    @property
    def kind(self) -> Kind:
        """In which list it belongs."""
        return _kind(self.first)

    @property
    def headline(self) -> str:
        """Return what was found, in one line."""
        return headline(self.results)

    @property
    def rule(self) -> str:
        """The rule's id, with a star where it is broken in several collections."""
        first = self.first
        return first.id if len(self.results) == 1 else f"{first.family}.*.{first.subject}"

    @property
    def requirement(self) -> str:
        """Return what the rule demands; for several collections without the name of one."""
        title = self.first.title
        if len(self.results) == 1:
            return title
        demand = title.partition(": ")[2] or title
        return demand[:1].upper() + demand[1:]

    @property
    def violations(self) -> int:
        """Return how much is affected by the cause itself."""
        return sum(result.violations for result in self.results)

    def walk(self) -> Iterator[Finding]:
        """Yield the finding, then those that follow from it."""
        yield self
        yield from self.consequences


def findings(report: Report) -> dict[Kind, list[Finding]]:
    """Return the findings by kind; in each the one with the most violations first."""
    broken = [result for result in report.results if result.status in ("failed", "error", "warned")]
    broken.sort(key=lambda result: (KINDS.index(_kind(result)), _FAMILIES.get(result.family, 99), result.id))
    groups = [Finding(tuple(group)) for group in _groups(broken)]
    roots = _roots(groups, _links(broken, report))
    found: dict[Kind, list[Finding]] = {kind: [] for kind in KINDS}
    for number, group in enumerate(groups):
        if number not in roots:
            below = [replace(groups[other], relation=how) for other, (root, how) in roots.items() if root == number]
            consequences = tuple(sorted(below, key=lambda finding: -finding.violations))
            found[group.kind].append(replace(group, consequences=consequences))
    # Stable sorts: findings with as many violations stay in the reading order of the families.
    return {kind: sorted(listed, key=lambda finding: -finding.violations) for kind, listed in found.items()}


def _kind(result: Result) -> Kind:
    if result.accepted:
        return "known"
    return "error" if result.status == "error" else "warned" if result.status == "warned" else "failed"


def _groups(broken: Sequence[Result]) -> list[list[Result]]:
    groups: dict[tuple[object, ...], list[Result]] = {}
    for result in broken:
        groups.setdefault(_sameness(result), []).append(result)
    return list(groups.values())


def _sameness(result: Result) -> tuple[object, ...]:
    """Equal for results of one cause: the same rule of other collections that explains itself in the same words."""
    if result.status == "error":
        return "error", result.family, result.reason
    whys = {sample.why for sample in result.samples}
    documents = {sample.ref is None for sample in result.samples}
    if len(whys) != 1 or len(documents) != 1 or result.collection.startswith("_"):
        return (result.id,)
    return _kind(result), result.severity, result.family, result.subject, whys.pop(), documents.pop()


# -- Causes ------------------------------------------------------------------------------------------------------------

#: By the id of a result: the id of the result it follows from, and how.
Links = Mapping[str, tuple[str, str]]


def _roots(groups: Sequence[Finding], links: Links) -> dict[int, tuple[int, str]]:
    """For the groups that follow from another: the one where it begins, and how they follow."""
    owner = {result.id: number for number, group in enumerate(groups) for result in group.results}
    causes: dict[int, tuple[int, str]] = {}
    for number, group in enumerate(groups):
        followed = {owner[links[result.id][0]] if result.id in links else None for result in group.results}
        cause = followed.pop()
        if not followed and cause is not None and cause != number and _as_severe(groups[cause], group):
            causes[number] = (cause, links[group.first.id][1])
    roots: dict[int, tuple[int, str]] = {}
    for number, (cause, how) in causes.items():
        root, seen = cause, {number}
        while root in causes and root not in seen:
            seen.add(root)
            root = causes[root][0]
        if root not in seen:
            roots[number] = (root, how)
    return roots


def _as_severe(cause: Finding, group: Finding) -> bool:
    return KINDS.index(cause.kind) <= KINDS.index(group.kind)


def _links(broken: Sequence[Result], report: Report) -> Links:
    by_id = {result.id: result for result in broken}
    links: dict[str, tuple[str, str]] = {}
    for find in (_of_absence, _of_indexes, _of_lost_documents, _of_same_documents):
        for result_id, cause, how in find(by_id, report):
            if result_id != cause:
                links.setdefault(result_id, (cause, how))
    return links


Link = tuple[str, str, str]


def _of_absence(broken: Mapping[str, Result], _: Report) -> Iterator[Link]:
    """Yield links from findings of a collection to the finding that it does not exist."""
    absent = {
        result.collection: result.id
        for result in broken.values()
        if result.family == "validators" and any(sample.why == NO_COLLECTION for sample in result.samples)
    }
    for result in broken.values():
        if result.collection in absent and result.family in ("indexes", "streams", "counts", "queries"):
            yield result.id, absent[result.collection], f"the collection {result.collection} does not exist"


def _of_indexes(broken: Mapping[str, Result], _: Report) -> Iterator[Link]:
    """Yield links from references and queries without their index to the index that is missing or wrong."""
    leading: dict[tuple[str, str], str] = {}
    for result in broken.values():
        if result.family == "indexes" and result.subject not in _NOT_ONE_INDEX:
            leading.setdefault((result.collection, result.subject.split("+")[0]), result.id)
    for result in broken.values():
        if result.family == "indexes" and result.subject == "foreign-keys":
            prefix = f"{result.collection}."
            wanted = [(result.collection, str(sample.ref).removeprefix(prefix)) for sample in result.samples]
        elif result.family == "queries":
            condition: Mapping[str, Sequence[str]] = result.evidence.get("condition", {})
            wanted = [(collection, field) for collection, fields in condition.items() for field in fields]
        else:
            continue
        causes = [(place, leading[key]) for place in wanted if (key := _as_subject(*place)) in leading]
        for (collection, field), cause in causes[:1]:
            yield result.id, cause, f"the index on {field} of {collection} is missing or wrong"


def _as_subject(collection: str, field: str) -> tuple[str, str]:
    return collection, as_subject(field)


def _of_lost_documents(broken: Mapping[str, Result], report: Report) -> Iterator[Link]:
    """Yield links from dangling references to the missing documents of the collection."""
    for reference in report.measured.get("references", ()):
        short = broken.get(f"counts.{reference['target']}.documents")
        dangling = f"references.{reference['collection']}.{_as_subject('', reference['field'])[1]}"
        if short is None or dangling not in broken:
            continue
        if short.evidence.get("found", 0) < short.evidence.get("low", 0):
            yield dangling, short.id, f"documents of {reference['target']} are missing"


def _of_same_documents(broken: Mapping[str, Result], _: Report) -> Iterator[Link]:
    """Further rules that the very same documents break."""
    first: dict[tuple[object, ...], str] = {}
    for result in broken.values():
        own_words = bool(result.headline)  # an inspection names a path each, and many are in all documents
        if result.samples and not own_words and all(sample.ref is None for sample in result.samples):
            ids = tuple(sorted(sample.place for sample in result.samples))
            key = (result.collection, result.violations, ids)
            yield result.id, first.setdefault(key, result.id), "the same documents break this rule, too"
