"""Headlines of findings: one line that names the fault, never the requirement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from conformance.results import Result
from conformance.rules.families import family

#: Characters of a sample's explanation in a headline; the finding itself has more.
_SHORT: Final = 140


def headline(results: Sequence[Result]) -> str:
    """Return the headline for results of one cause, such as ``9 collections: the collection has no validator``."""
    first = results[0]
    if first.status == "error":
        return _not_run(results)
    if len(results) == 1 and first.headline:
        return first.headline
    if len(results) == 1:
        return _missing_or_extra(first) or _single(first)
    why = _shortened(first.samples[0].why)
    number = sum(result.violations for result in results)
    if _documents(first):
        return f"{number:,} {_noun(number, 'document')} in {len(results)} collections: {why}"
    return f"{len(results)} collections: {why}"


def amount(result: Result) -> str:
    """Return how much is broken, such as ``2 of 200,000 (0.001 %)``, or how many documents there are and should be."""
    counted = counted_documents(result)
    if counted is not None:
        found, low, high = counted
        wanted = f"{low:,}" if low == high else f"{low:,} to {high:,}"
        relation = "missing" if found < low else "too many"
        return f"{found:,} found, {wanted} expected: {result.violations:,} {relation}"
    if result.violations > result.examined:
        return f"{result.violations:,}"
    percent = 100 * result.violations / result.examined
    share = "under 0.001" if 0 < percent < 0.001 else f"{percent:.3f}".rstrip("0").rstrip(".")
    return f"{result.violations:,} of {result.examined:,} ({share} %)"


def counted_documents(result: Result) -> tuple[int, int, int] | None:
    """For a wrong number of documents: how many were found, and the bounds of what was expected."""
    found, low, high = (result.evidence.get(name) for name in ("found", "low", "high"))
    if result.violations and type(found) is type(low) is type(high) is int and not low <= found <= high:
        return found, low, high
    return None


def _missing_or_extra(result: Result) -> str | None:
    counted = counted_documents(result)
    if counted is None:
        return None
    found, low, high = counted
    if found < low:
        least = "" if low == high else "at least "
        verb = "is" if result.violations == 1 else "are"
        documents = _noun(low, "document")
        return f"{result.violations:,} of {least}{low:,} {documents} {verb} missing in {result.collection}"
    most = "" if low == high else "at most "
    extra = f"{result.violations:,} {_noun(result.violations, 'document')} too many in {result.collection}"
    return f"{extra}: {found:,} found, {most}{high:,} expected"


def _single(result: Result) -> str:
    if not result.samples:
        return f"{result.title}: {amount(result)}"
    whys = {sample.why for sample in result.samples}
    example = _shortened(result.samples[0].why)
    example_text = f": {example}" if len(whys) == 1 else f", for example: {example}"
    if _documents(result):
        of = f" of {result.examined:,}" if result.examined >= result.violations else ""
        noun = _noun(result.examined if of else result.violations, "document")
        return f"{result.violations:,}{of} {noun} in {result.collection}{example_text}"
    if result.violations == 1:
        return f"{result.samples[0].place}: {example}"
    places = ", ".join(sample.place for sample in result.samples[:3])
    more = f" and {result.violations - 3:,} more" if result.violations > 3 else ""
    return f"{places}{more}{example_text}"


def _not_run(results: Sequence[Result]) -> str:
    first, number = results[0], len(results)
    which = f"{first.id} could" if number == 1 else f"{number} rules of {family(first.family).title} could"
    return f"{which} not be run: {_shortened(first.reason or 'no reason was given')}"


def _documents(result: Result) -> bool:
    return all(sample.ref is None for sample in result.samples)


def _noun(number: int, noun: str) -> str:
    return noun if number == 1 else f"{noun}s"


def _shortened(text: str) -> str:
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 1].rstrip()}…"
