"""A small writer of SVG: elements as text, everything in them escaped, numbers short."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

from markupsafe import Markup, escape

from conformance.text.visible import visible

#: Width of every picture in its own units: at that many pixels its text is as large as the page's small print.
WIDTH: Final = 400


def element(tag: str, *children: str, **attributes: object) -> Markup:
    """``<tag a-b="…">children</tag>``; ``class_`` stands for class, ``a_b`` for a-b, ``viewBox`` for itself."""
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(_short(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    inner = "".join(escape(child) for child in children)
    return Markup(f"<{tag}{written}>{inner}</{tag}>" if children else f"<{tag}{written}/>")  # noqa: S704 - escaped


def text(
    content: str, x: float, y: float, class_: str = "", limit: int = 60, anchor: str | None = None,
    width: float | None = None,
) -> Markup:  # fmt: skip
    """Return a line of text, made visible and shortened to ``limit`` characters; the whole of it shows on hovering.

    With ``width`` it is squeezed into so much room.
    """
    whole = visible(content)
    shown = whole if len(whole) <= limit else whole[: limit - 1] + "…"
    title = [element("title", whole)] if shown != whole else []
    return element("text", *title, shown, x=x, y=y, class_=class_ or None, text_anchor=anchor,
                   textLength=width, lengthAdjust=width and "spacingAndGlyphs")  # fmt: skip


def picture(height: float, label: str, *children: str) -> Markup:
    """Return the whole drawing, WIDTH wide, with what it says in words for those who cannot see it."""
    return element("svg", *children, viewBox=f"0 0 {WIDTH} {_short(height)}", role="img", aria_label=label)


def line(points: Iterable[tuple[float, float]], class_: str) -> Markup:
    """Return a line through the points."""
    return element("polyline", points=" ".join(f"{_short(x)},{_short(y)}" for x, y in points), class_=class_)


def rule(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """One straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def ticks(highest: float, wanted: int = 4) -> list[float]:
    """Round numbers from 0 to at least ``highest``, about ``wanted`` steps of 1, 2 or 5 times a power of ten."""
    rough = max(highest, 1e-9) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    return [step * place for place in range(math.ceil(highest / step * 0.999) + 1)]


def legend(entries: Sequence[tuple[str, str]], y: float) -> list[Markup]:
    """Return a row of (class, words): before each a swatch of the class, or a piece of the line or mark that it is."""
    drawn, x = list[Markup](), 0.0
    for class_, words in entries:
        if class_.startswith("line"):
            drawn.append(rule(x - 2, y - 4, x + 11, y - 4, class_))
        elif class_ == "mark":
            drawn.append(rule(x + 5, y - 9, x + 5, y + 1, class_))
        else:
            drawn.append(element("rect", x=x, y=y - 8, width=10, height=8, class_=class_))
        drawn.append(text(words, x + 14, y, "quiet"))
        x += 26 + 5.8 * len(words)
    return drawn


def _short(value: object) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
