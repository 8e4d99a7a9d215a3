"""Pictures: a drawing, its statement in one sentence, and the same data as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from conformance.files.packaged import packaged
from conformance.report.pictures.svg import element

_STYLE: Final = packaged("conformance.report", "templates/picture.css")
#: Replacements of words for the surrounding page.
_ALONE: Final = ":root { background: var(--paper); font-family: system-ui, sans-serif; }"


@dataclass(frozen=True)
class Picture:
    """One drawing of a run. ``caption`` says in words what there is to see; ``rows`` have a cell for each column.

    ``rule`` is the id of the rule about the drawn data, if there is one.
    """

    name: str
    title: str
    caption: str
    drawing: Markup
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    rule: str | None = None

    @property
    def file(self) -> str:
        """The drawing as an SVG file of its own, in light and dark."""
        style = element("style", Markup(_STYLE.read_text(encoding="utf-8") + _ALONE))  # noqa: S704 - our own file
        opened = self.drawing.index(">") + 1
        return f'{self.drawing[:4]} xmlns="http://www.w3.org/2000/svg"{self.drawing[4:opened]}{style}{self.drawing[opened:]}'


def bytes_in_words(number: float) -> str:
    """Such as ``330 B``, ``12.4 KB`` or ``1.2 GB``, by powers of 1,024."""
    for unit in ("B", "KB", "MB", "GB"):
        if number < 1000 or unit == "GB":
            break
        number /= 1024
    return f"{number:,.0f} {unit}" if number >= 100 or unit == "B" else f"{number:.3g} {unit}"


def off(found: float, expected: float) -> str:
    """Return how far it is off, such as ``+1.2 %``; an empty text where nothing was expected."""
    return f"{round(100 * (found - expected) / expected, 1) + 0.0:+.1f} %" if expected else ""  # 0.0: no -0.0
