"""A parser of the report page."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "br", "input", "link", "img", "hr", "wbr"}


class Page(HTMLParser):
    """The page's elements with their attributes, parents and own text; an unclosed tag is an error."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None], tuple[str, ...]]] = []
        self.texts: list[tuple[tuple[str, ...], str]] = []
        self._open: list[str] = []
        self.feed(source)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record the element."""
        assert len(dict(attrs)) == len(attrs), f"an attribute twice on {tag}"
        self.elements.append((tag, dict(attrs), tuple(self._open)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record a self-closing element of SVG."""
        self.elements.append((tag, dict(attrs), tuple(self._open)))

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost element, and assert that it is this one."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Record the text; a line-break opportunity belongs to it."""
        path = tuple(self._open)
        if self.elements and self.elements[-1][0] == "wbr" and self.texts[-1][0] == path:
            self.texts[-1] = (path, self.texts[-1][1] + data)
        else:
            self.texts.append((path, data))

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        """Return the attributes of all elements with these names, in order."""
        return [attributes for tag, attributes, _ in self.elements if tag in tags]

    def text(self, tag: str) -> list[str]:
        """Return the text of each element of this name, including inner elements."""
        return [data for path, data in self.texts if tag in path]
