"""Picture of the sizes of synced documents, compared with the limits of devices."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from conformance.report.pictures.picture import Picture, bytes_in_words
from conformance.report.pictures.svg import WIDTH, element, picture, rule, text
from conformance.results import Report
from conformance.rules.ditto.crdt.shapes import HARD_SIZE, TYPICAL_SIZE

#: The axis goes from 32 bytes to 8 MB, in octaves.
_FIRST: Final = 5
_LAST: Final = 23
_STEP: Final = 40.0
_TOP: Final = 34.0
_BAR: Final = 20.0


def sizes(report: Report) -> Iterator[Picture]:
    """One picture of all collections whose sizes were measured."""
    measured: Mapping[str, Any] = report.measured.get("sizes", {})
    if not measured:
        return
    largest = max(measured, key=lambda name: measured[name]["largest"])
    caption = (
        f"The largest document has {bytes_in_words(measured[largest]['largest'])} (in {largest}); devices store at most"
        f" {bytes_in_words(HARD_SIZE)}, and at most {bytes_in_words(TYPICAL_SIZE)} is recommended."
    )
    title = "Sizes of synced documents and the limits"
    yield Picture(
        name="sizes",
        title=title,
        caption=caption,
        drawing=_drawing(f"{title}. {caption}", measured),
        columns=("Collection", "Documents", "Smallest", "Average", "Largest", "Together"),
        rows=[
            (
                name,
                f"{part['documents']:,}",
                bytes_in_words(part["smallest"]),
                bytes_in_words(part["bytes"] / part["documents"]),
                bytes_in_words(part["largest"]),
                bytes_in_words(part["bytes"]),
            )
            for name, part in measured.items()
        ],
    )


def _at(size: float) -> float:
    octave = min(max(math.log2(max(size, 1)), _FIRST), _LAST)
    return (octave - _FIRST) / (_LAST - _FIRST) * WIDTH


def _drawing(label: str, measured: Mapping[str, Any]) -> Any:
    bottom = _TOP + len(measured) * _STEP
    drawn = []
    for limit, words, anchor in ((TYPICAL_SIZE, "typical", "end"), (HARD_SIZE, "limit", "start")):
        x = _at(limit)
        drawn.append(rule(x, _TOP - 14, x, bottom, "limit"))
        shift = -4 if anchor == "end" else 4
        drawn.append(text(f"{words}: {bytes_in_words(limit)}", x + shift, _TOP - 8, "quiet", anchor=anchor))
    for place, (name, part) in enumerate(measured.items()):
        y = _TOP + place * _STEP
        span = bytes_in_words(part["smallest"]), bytes_in_words(part["largest"])
        drawn.append(text(f"{name}: {' to '.join(dict.fromkeys(span))}", 0, y + 12, limit=52))
        for octave, documents in part["octaves"].items():
            left, right = _at(2.0 ** int(octave)), _at(2.0 ** (int(octave) + 1))
            height = max(_BAR * documents / part["documents"], 1.5)
            drawn.append(
                element("rect", x=left, y=y + 16 + _BAR - height, width=max(right - left, 2.0), height=height,
                        class_="found")
            )  # fmt: skip
        drawn.append(rule(0, y + 16 + _BAR, WIDTH, y + 16 + _BAR, "grid"))
    for size in (32, 1024, 32 * 1024, 1024 * 1024, 8 * 1024 * 1024):
        anchor = "start" if size == 32 else "end" if size > 1024 * 1024 else "middle"
        drawn.append(text(bytes_in_words(size), _at(size), bottom + 14, "quiet", anchor=anchor))
    return picture(bottom + 20, label, *drawn)
