"""Picture of the documents that each type of device holds, and their approximate size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from conformance.report.pictures.picture import Picture, bytes_in_words
from conformance.report.pictures.svg import WIDTH, element, picture, text
from conformance.results import Report
from conformance.text.plural import numbered

Device = Mapping[str, Any]

_STEP: Final = 40.0
_TOP: Final = 4.0


def devices(report: Report) -> Iterator[Picture]:
    """One picture of all types of devices, if what they subscribe to was counted."""
    measured: Sequence[Device] = report.measured.get("devices", [])
    if not measured:
        return
    sizes = {name: part["bytes"] / part["documents"] for name, part in report.measured.get("sizes", {}).items()}
    most = max(measured, key=lambda device: (_bytes(device, sizes), sum(device["documents"].values())))
    caption = (
        f"{numbered(len(measured), 'type of device', 'types of devices')}; the largest is: {most['title']}"
        f" ({_amount(most, sizes)})."
        " Numbers are for one user of each type; sizes are those in MongoDB, without Ditto's overhead."
    )
    title = "Documents that each type of device would sync"
    yield Picture(
        name="devices",
        title=title,
        caption=caption,
        drawing=_drawing(f"{title}. {caption}", measured, sizes),
        columns=("Device", "Collection", "Documents", "About", "User"),
        rows=[
            (device["title"], name, f"{number:,}", _about(number, sizes.get(name)), device["user"])
            for device in measured
            for name, number in device["documents"].items()
        ],
    )


def _bytes(device: Device, sizes: Mapping[str, float]) -> float:
    documents: Mapping[str, int] = device["documents"]
    return sum(number * sizes.get(name, 0.0) for name, number in documents.items())


def _about(number: int, size: float | None) -> str:
    return bytes_in_words(number * size) if size is not None else ""


def _amount(device: Device, sizes: Mapping[str, float]) -> str:
    weight = _bytes(device, sizes)
    documents = f"{sum(device['documents'].values()):,} docs"
    return f"{documents}, {bytes_in_words(weight)}" if weight else documents


def _drawing(label: str, measured: Sequence[Device], sizes: Mapping[str, float]) -> Any:
    """Bars of bytes, or of documents where no sizes were measured, in one part for each collection."""
    parts = [
        {name: number * (sizes.get(name, 0) if sizes else 1) for name, number in device["documents"].items()}
        for device in measured
    ]
    longest = max(sum(part.values()) for part in parts) or 1
    drawn = []
    for place, (device, part) in enumerate(zip(measured, parts, strict=True)):
        y, x = _TOP + place * _STEP, 0.0
        drawn.append(text(device["title"], 0, y + 12, limit=44))
        drawn.append(text(_amount(device, sizes), WIDTH, y + 12, "quiet", anchor="end"))
        for name, share in part.items():
            hint = element("title", f"{name}: {device['documents'][name]:,} documents")
            width = WIDTH * share / longest
            drawn.append(element("rect", hint, x=x, y=y + 18, width=width, height=12, class_="part read"))
            x += width
    return picture(_TOP + len(measured) * _STEP, label, *drawn)
