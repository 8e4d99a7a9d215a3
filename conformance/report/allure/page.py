"""Changes to Allure's finished page: no network access, packed data, and working links to the HTML report.

Allure's single file holds the data as some 2,000 pieces of base64 text, several megabytes of them, and more with every
run of the history. They repeat each other: packed as one they are a tenth. The browser unpacks them when it opens the
page.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from typing import Final

from conformance.report.allure.labels import REPORT_LINK

_ANALYTICS: Final = re.compile(
    r"<script[^>]*googletagmanager[^>]*></script>\s*<script>\s*window\.dataLayer\b.*?</script>", re.DOTALL
)
_POLICY: Final = (
    """<meta http-equiv="Content-Security-Policy" content="default-src data: blob: 'unsafe-inline' 'unsafe-eval'">"""
)
#: Allure shows a link only when it begins with https, so a link to a file beside the page is one until it is clicked.
_SHOWN_LINK: Final = "https://html-report.invalid/#"
_FOLLOW: Final = f"""<script>addEventListener("click", (event) => {{
  const link = event.target.closest?.('a[href^="{_SHOWN_LINK}"]');
  if (link) link.setAttribute("href", "{REPORT_LINK}" + link.hash.slice(1));
}}, true);</script>"""
#: The script that hands the pieces over, and one of the pieces.
_PIECES: Final = re.compile(r"Promise\.allSettled\(\[(?P<pieces>d\(\".*?\"\))\]\)(?=\s*\.then)", re.DOTALL)
_PIECE: Final = re.compile(r'd\("(?P<name>[^"]*)","(?P<data>[^"]*)"\)')
_UNPACK: Final = (
    'fetch("data:application/octet-stream;base64,{packed}")'
    '.then((answer) => answer.body.pipeThrough(new DecompressionStream("gzip")))'
    ".then((stream) => new Response(stream).json())"
    ".then((pieces) => Object.entries(pieces).map(([name, data]) => d(name, btoa(data))))"
)


def finished(page: str) -> str:
    """Allure's page as it is kept."""
    return packed(without_network(page))


def without_network(page: str) -> str:
    """Return the page without its analytics, and forbidden to load or send anything."""
    return _ANALYTICS.sub("", page).replace("<head>", f"<head>{_POLICY}{_FOLLOW}", 1)


def packed(page: str) -> str:
    """Return the page with its data packed; as it was when the data is not found where it is expected."""
    found = _PIECES.search(page)
    if found is None:
        return page
    texts = ((piece["name"], base64.b64decode(piece["data"])) for piece in _PIECE.finditer(found["pieces"]))
    # A character a byte, as btoa wants it.
    pieces = {name: text.decode("latin-1").replace(f'"{REPORT_LINK}', f'"{_SHOWN_LINK}') for name, text in texts}
    data = base64.b64encode(gzip.compress(json.dumps(pieces).encode(), compresslevel=6, mtime=0)).decode()
    return page[: found.start()] + _UNPACK.format(packed=data) + page[found.end() :]
