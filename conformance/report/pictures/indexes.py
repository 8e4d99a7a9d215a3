"""Picture of the memory of each collection's indexes, by their use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from conformance.report.pictures.picture import Picture, bytes_in_words
from conformance.report.pictures.svg import WIDTH, element, legend, picture, text
from conformance.results import Report

Index = Mapping[str, Any]

#: By what an index is good for, the best reason first: class of its bar, and the words for it.
_USES: Final = {"query": "in a named query's plan", "read": "read", "unique": "keeps unique", "idle": "not used"}
_STEP: Final = 38.0
_TOP: Final = 24.0


def indexes(report: Report) -> Iterator[Picture]:
    """One picture of all collections whose indexes were looked at."""
    measured: Sequence[Index] = report.measured.get("indexes", [])
    if not measured:
        return
    idle = [index for index in measured if _use(index) == "idle"]
    whole = sum(index["bytes"] for index in measured) or 1
    share = 100 * sum(index["bytes"] for index in idle) / whole
    since = "since the harness started its server" if report.target.embedded else "since the server started"
    caption = (
        f"{len(measured)} indexes, {bytes_in_words(whole)}; {len(idle)} of them ({share:.0f} % of the bytes) are"
        f" unused: not in the plan of a named query, not unique, and not read {since}."
    )
    title = "Use of the indexes"
    yield Picture(
        name="indexes",
        title=title,
        caption=caption,
        drawing=_drawing(f"{title}. {caption}", measured),
        columns=("Collection", "Index", "Size", "Use", "Reads", "Named queries"),
        rows=[
            (
                index["collection"],
                index["name"],
                bytes_in_words(index["bytes"]),
                _USES[_use(index)],
                f"{index['reads']:,}",
                ", ".join(index["queries"]),
            )
            for index in measured
        ],
    )


def _use(index: Index) -> str:
    if index["queries"]:
        return "query"
    if index["reads"]:
        return "read"
    return "unique" if index["keeps_unique"] else "idle"


def _drawing(label: str, measured: Sequence[Index]) -> Any:
    collections: dict[str, list[Index]] = {}
    for index in measured:
        collections.setdefault(index["collection"], []).append(index)
    drawn = []
    for place, (name, owned) in enumerate(collections.items()):
        y, x = _TOP + place * _STEP, 0.0
        whole = sum(index["bytes"] for index in owned) or 1
        used = sum(_use(index) != "idle" for index in owned)
        drawn.append(text(f"{name}: {used} of {len(owned)} used", 0, y + 12, limit=48))
        drawn.append(text(bytes_in_words(whole), WIDTH, y + 12, "quiet", anchor="end"))
        for index in sorted(owned, key=lambda one: (list(_USES).index(_use(one)), -one["bytes"])):
            width = WIDTH * index["bytes"] / whole
            hint = element("title", f"{index['name']}: {bytes_in_words(index['bytes'])}, {_USES[_use(index)]}")
            drawn.append(element("rect", hint, x=x, y=y + 17, width=width, height=12, class_=f"part {_use(index)}"))
            x += width
    entries = [(f"part {use}", words) for use, words in _USES.items()]
    return picture(_TOP + len(collections) * _STEP, label, *legend(entries, 12), *drawn)
