"""The HTML report in a real browser: no console errors, fits the screen, readable, usable by keyboard."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance.report.html import render
from conformance.results import Sample
from tests.conformance.report.browser import CHROMIUM, Browser, chromium
from tests.conformance.report.report_example import MEASURED, REPORT, SHARES, report, result

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH: apt-get install chromium"),
]

BROKEN = [each.id for each in REPORT.results if each.status in ("failed", "error")]
PHONE, DESK = 360, 1200


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One Chromium for all tests of the file."""
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the example run, with hostile data and every picture."""
    path = tmp_path_factory.mktemp("page") / "validation.html"
    run = replace(REPORT, results=[*REPORT.results, *SHARES], measured=MEASURED)
    path.write_text(render(run), encoding="utf-8")
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, 768, DESK])
def test_page_fits_the_screen_and_logs_no_error(browser: Browser, page: Path, width: int, scheme: str) -> None:
    browser.open(page, width=width, scheme=scheme)
    browser.ask("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert browser.ask("innerWidth") == width
    assert browser.ask("document.documentElement.scrollWidth") == width
    assert browser.complaints == []


def test_console_errors_of_a_page_are_noticed(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "bad.html"
    policy = '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'">'
    path.write_text(f"<head>{policy}</head><body><script>1</script><div style='width:900px'>x</div>", encoding="utf-8")
    browser.open(path, width=PHONE)
    assert any("Content Security Policy" in each for each in browser.complaints)


@pytest.mark.parametrize("rule", BROKEN)
def test_navigation_links_to_every_broken_rule(browser: Browser, page: Path, rule: str) -> None:
    browser.open(page, width=PHONE)
    browser.ask(f"document.querySelector('nav a[href=\"#{rule}\"]').click()")
    assert browser.ask("new Promise((done) => requestAnimationFrame(() => done(location.hash)))") == f"#{rule}"
    top = browser.ask(f"document.getElementById({json.dumps(rule)}).getBoundingClientRect().top")
    assert -2 <= top < 900


def test_external_link_opens_the_family_of_a_passed_rule(browser: Browser, page: Path) -> None:
    rule = "documents.children.field_29"
    browser.open(page)
    assert browser.ask(f"document.getElementById('{rule}').closest('details').open") is False
    browser.open(tmp_copy(page), at=rule)
    assert browser.ask(f"document.getElementById('{rule}').closest('details').open") is True
    assert browser.ask(f"document.getElementById('{rule}').getBoundingClientRect().top") < 900


def tmp_copy(page: Path) -> Path:
    """Return another file with the same content: a change of only the fragment does not reload a page."""
    copy = page.with_name("copy.html")
    copy.write_bytes(page.read_bytes())
    return copy


def test_filter_finds_a_rule_by_words(browser: Browser, page: Path) -> None:
    browser.open(page)
    shown = """[...document.querySelectorAll('tr[data-status]')].filter((row) => row.checkVisibility()).length"""
    typed = """(() => { const box = document.querySelector('input[type=search]'); box.value = 'field_29';
                box.dispatchEvent(new Event('input', {bubbles: true})); })()"""
    browser.ask(typed)
    assert browser.ask(shown) == 1
    assert browser.ask("document.querySelector('output').textContent").startswith("1 of ")


def test_every_control_is_reachable_by_keyboard(browser: Browser, page: Path) -> None:
    browser.open(page)
    wanted = browser.ask("""[...document.querySelectorAll('a[href], summary, input, [tabindex]')]
        .filter((each) => each.checkVisibility()).length""")
    outlined = """(() => { const at = document.activeElement; const style = getComputedStyle(at);
        return [at.tagName, style.outlineStyle !== 'none' || style.boxShadow !== 'none']; })()"""
    seen: list[Any] = []
    for _ in range(wanted):
        browser.key("Tab", 9)
        seen.append(browser.ask(outlined))
    assert seen[0][0] == "A"  # skips to all rules
    assert [tag for tag, _ in seen].count("BODY") == 0
    assert all(visible for _, visible in seen)


def test_page_without_script_shows_every_finding(browser: Browser, page: Path) -> None:
    browser.open(page, script=False)
    tree = browser.call("DOM.getDocument", depth=1)["root"]["nodeId"]
    html = browser.call("DOM.getOuterHTML", nodeId=tree)["outerHTML"]
    assert all(f'id="{rule}"' in html for rule in BROKEN)
    assert re.search(r'<form id="filter" hidden', html)


COLOURS = """(() => {
  const number = (text) => text.match(/[\\d.]+/g).map(Number);
  const bright = (text) => { const [r, g, b] = number(text).map((n) => { n /= 255;
    return n <= 0.04045 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const under = (at) => { for (; at; at = at.parentElement) { const c = getComputedStyle(at).backgroundColor;
    if ((number(c)[3] ?? 1) > 0) return c; } return 'rgb(255, 255, 255)'; };
  const found = [];
  for (const at of document.querySelectorAll('svg text')) {
    const box = [...at.ownerSVGElement.querySelectorAll('.node')].length && at.classList.contains('name');
    const ground = box ? getComputedStyle(at.ownerSVGElement.querySelector('.node')).fill : under(at.ownerSVGElement);
    const [one, other] = [bright(getComputedStyle(at).fill), bright(ground)].sort().reverse();
    found.push((one + 0.05) / (other + 0.05));
  }
  return [found.length, Math.min(...found)];
})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_in_pictures_has_the_contrast_of_wcag_aa(browser: Browser, page: Path, scheme: str) -> None:
    browser.open(page, scheme=scheme)
    number, least = browser.ask(COLOURS)
    assert number > 60
    assert least >= 4.5


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_text_in_pictures_is_not_clipped_and_does_not_overlap(browser: Browser, page: Path, width: int) -> None:
    browser.open(page, width=width)
    found = browser.ask("""(() => {
      const wrong = [];
      for (const svg of document.querySelectorAll('figure > svg')) {
        const frame = svg.getBoundingClientRect();
        const boxes = [...svg.querySelectorAll('text')].map((at) => [at.textContent, at.getBoundingClientRect()]);
        boxes.forEach(([words, box], n) => {
          if (box.left < frame.left - 1 || box.right > frame.right + 1) wrong.push(words);
          for (const [others, other] of boxes.slice(n + 1))
            if (box.left < other.right - 1 && other.left < box.right - 1 && box.top + 3 < other.bottom
                && other.top + 3 < box.bottom) wrong.push(`${words} / ${others}`);
        });
      }
      return wrong;
    })()""")
    assert found == []


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_long_name_fits_its_box(browser: Browser, tmp_path: Path, width: int) -> None:
    names = ["product_embeddings", "a_collection_of_a_very_long_name", "WWWWWWWWWWWWWWWWWWWW", "hub"]
    edges = [{"collection": name, "field": "hub_id", "target": "hub"} for name in names[:3]]
    path = tmp_path / "names.html"
    run = report(result("counts.hub.number"), counts=dict.fromkeys(names, 1), measured={"references": edges})
    path.write_text(render(run), encoding="utf-8")
    browser.open(path, width=width)
    room = browser.ask("""[...document.querySelectorAll('text.name')].map((at) => {
      const name = at.getBoundingClientRect(), box = at.previousElementSibling.getBoundingClientRect();
      return [at.textContent, Math.min(name.left - box.left, box.right - name.right)]; })""")
    assert len(room) == 4
    assert all(margin > 1 for _, margin in room), room


def _red(number: int) -> str:
    """Return the page of a run with this number of failed rules, whose ids are as long as the real ones."""
    broken = [
        result(f"references.product_embeddings.description_embedding_{n}", "failed", violations=5, samples=(
            *(Sample(f"description_embedding_{n} is 1, expected 2", id=f"0849bad9-853e-4f5c-ae76-{n:012}{m}")
              for m in range(5)),
        ))
        for n in range(number)
    ]  # fmt: skip
    return render(report(*broken))


@pytest.mark.parametrize(("width", "highest"), [(DESK, 5000), (390, 9000)])
def test_page_of_500_failed_rules_has_a_bounded_height(
    browser: Browser, tmp_path: Path, width: int, highest: int
) -> None:
    path = tmp_path / "red.html"
    path.write_text(_red(500), encoding="utf-8")
    browser.open(path, width=width)
    assert browser.ask("document.documentElement.scrollHeight") < highest


def test_rule_ids_wrap_between_words_on_a_phone(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "red.html"
    path.write_text(_red(1), encoding="utf-8")
    browser.open(path, width=390)
    browser.ask("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    broken = browser.ask("""(() => {
      const wrong = [];
      for (const code of document.querySelectorAll('summary code, th code, li code')) {
        const walk = document.createTreeWalker(code, NodeFilter.SHOW_TEXT);
        for (let text = walk.nextNode(); text; text = walk.nextNode()) {
          const range = document.createRange();
          range.selectNodeContents(text);
          if (range.getClientRects().length > 1) wrong.push(text.data);
        }
      }
      return wrong;
    })()""")
    assert broken == []


@pytest.mark.parametrize(("width", "rows"), [(DESK, 1), (800, 2), (390, 4)])
def test_summary_numbers_fill_their_rows(browser: Browser, page: Path, width: int, rows: int) -> None:
    browser.open(page, width=width)
    tops = browser.ask("[...document.querySelectorAll('.facts > div')].map((at) => at.getBoundingClientRect().top)")
    assert [tops.count(top) for top in sorted(set(tops))] == [8 // rows] * rows


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_bars_of_document_counts_have_one_scale(browser: Browser, page: Path, width: int) -> None:
    browser.open(page, width=width)
    widths = browser.ask("[...document.querySelectorAll('.bar')].map((bar) => bar.getBoundingClientRect().width)")
    assert len(widths) > 1
    assert max(widths) - min(widths) < 0.1


def test_expected_counts_have_the_width_of_a_phone(browser: Browser, page: Path) -> None:
    browser.open(page, width=PHONE)
    share = """[...document.querySelectorAll('.counts td:last-child')].map((cell) =>
        cell.getBoundingClientRect().width / document.querySelector('.counts').getBoundingClientRect().width)"""
    assert min(browser.ask(share)) == pytest.approx(1)


def test_link_opens_its_finding(browser: Browser, page: Path) -> None:
    browser.open(tmp_copy(page), width=PHONE, at="crdt.children.size")
    assert browser.ask("document.getElementById('crdt.children.size').checkVisibility()") is True


def test_printed_page_has_all_findings_and_no_controls(browser: Browser, page: Path) -> None:
    browser.open(page, media="print")
    assert browser.ask("getComputedStyle(document.querySelector('#filter')).display") == "none"
    assert browser.ask("getComputedStyle(document.querySelector('.contents')).display") == "none"
    browser.open(page)
    printed = browser.pdf()
    assert printed.startswith(b"%PDF")
    assert printed.count(b"/Type /Page\n") >= 2
    assert browser.ask("document.querySelectorAll('details.family:not([open])').length") > 0  # closed again


def test_page_of_500_rules_is_small(browser: Browser, tmp_path: Path) -> None:
    many = [result(f"documents.children.field_{number}") for number in range(500)]
    path = tmp_path / "many.html"
    path.write_text(render(report(*many)), encoding="utf-8")
    assert path.stat().st_size < 600_000
    browser.open(path, width=PHONE)
    assert browser.ask("document.querySelectorAll('tr[data-status]').length") == 500
    assert browser.complaints == []
