"""zava sync: places and permissions of its store and state, and its progress output."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from edge.store.sdk import unavailable
from edge.store.store import Store
from tests.commands import Done, Workplace
from zava.terminal import progress_lines
from zava.terminal.progress_lines import Lines, duration

pytestmark = pytest.mark.ditto

pytest_plugins = ["tests.commands"]

Mongo = MongoClient[dict[str, Any]]
Sync = Callable[..., Done]
APART = "do not belong together"


@pytest.fixture
def sync(workplace: Workplace, mongo: Mongo, uri: str, name: str) -> Sync:
    """Run `zava sync --once` on a database with three documents."""
    reason = unavailable()
    if reason is not None:
        pytest.skip(reason)
    mongo[name]["categories"].insert_many([{"_id": f"{each}", "n": each} for each in range(3)])

    def sync(*arguments: str) -> Done:
        return workplace.zava("sync", "--once", "--uri", uri, *arguments, env={"MONGODB_DATABASE": name})

    return sync


def write(directory: Path, value: int) -> None:
    with Store.open(directory) as store:
        store.mutate("UPDATE categories SET n = :n WHERE _id = '1'", {"n": value})


def test_stores_in_one_folder_have_separate_states(sync: Sync, mongo: Mongo, name: str, tmp_path: Path) -> None:
    """A second store beside the first one does not change the first one's state, whose devices' edits still sync."""
    first, second = tmp_path / "st", tmp_path / "st2"
    assert sync("--store", str(first)).code == 0
    write(first, 7)
    assert sync("--store", str(second)).code == 0
    done = sync("--store", str(first))
    assert (done.code, APART in done.err) == (0, False)
    assert mongo[name]["categories"].find_one({"_id": "1"}) == {"_id": "1", "n": 7}
    assert {each.name for each in tmp_path.iterdir()} == {"st", "st.state", "st2", "st2.state"}


@pytest.mark.parametrize("spelling", ["st/", "./st", "other/../st"])
def test_store_path_in_another_spelling_uses_the_same_state(
    sync: Sync, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelling: str
) -> None:
    (tmp_path / "other").mkdir()
    assert sync("--store", str(tmp_path / "st")).code == 0
    assert APART not in sync("--store", f"{tmp_path}/{spelling}").err


def test_state_of_an_earlier_version_is_used(sync: Sync, mongo: Mongo, name: str, tmp_path: Path) -> None:
    """It was the folder "state" beside the store. The state of another store is not moved."""
    assert sync("--store", str(tmp_path / "st")).code == 0
    (tmp_path / "st.state").rename(tmp_path / "state")
    write(tmp_path / "st", 8)
    other = sync("--store", str(tmp_path / "st2"))
    assert (other.code, (tmp_path / "state").is_dir()) == (0, True)
    done = sync("--store", str(tmp_path / "st"))
    assert (done.code, APART in done.err) == (0, False)
    assert mongo[name]["categories"].find_one({"_id": "1"}) == {"_id": "1", "n": 8}
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("arguments", "blamed", "option"),
    [
        (("--store", "{file}"), "{file}", "--store"),
        (("--store", "{file}/st"), "{file}/st.state", "--store"),
        (("--store", "{folder}/st", "--state", "{file}"), "{file}", "--state"),
        (("--store", "{folder}/st", "--state", "{file}/state"), "{file}/state", "--state"),
        (("--store", "{file}", "--state", "{folder}/state"), "{file}", "--store"),
    ],
)
def test_invalid_path_is_reported_with_its_option(
    sync: Sync, tmp_path: Path, arguments: tuple[str, ...], blamed: str, option: str
) -> None:
    places = {"file": str(tmp_path / "file"), "folder": str(tmp_path)}
    (tmp_path / "file").write_text("")
    done = sync(*(each.format(**places) for each in arguments))
    assert done.code == 3
    assert done.line.startswith(f"zava: {blamed.format(**places)}: ")
    assert done.line.endswith(f"use another directory with {option}")


def test_stored_files_are_readable_by_the_owner_only(
    sync: Sync, workplace: Workplace, uri: str, name: str, tmp_path: Path
) -> None:
    assert sync("--store", str(tmp_path / "st")).code == 0
    assert (tmp_path / "st.state" / "bridge.sqlite3").is_file()
    for form in (("--as", "json"), ("--as", "bson", "--gzip")):
        folder = tmp_path / form[1]
        done = workplace.zava("export", str(folder), "--uri", uri, *form, env={"MONGODB_DATABASE": name})
        assert done.code == 0, done.err
        assert (folder / "manifest.json").is_file()
    found = {each: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.rglob("*")}
    assert {each for each, mode in found.items() if mode != (0o700 if each.is_dir() else 0o600)} == set()


def test_progress_is_printed_without_a_terminal(sync: Sync, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_lines, "LINE_SECONDS", 0.0)
    done = sync("--store", str(tmp_path / "st"))
    assert done.code == 0
    assert "categories: 3 of about 3 (100 %)" in done.err.splitlines()


class Clock:
    """A clock that is set."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_progress_lines_show_count_percentage_and_remaining_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_lines, "LINE_SECONDS", 5.0)
    printed: list[str] = []
    clock = Clock()
    lines = Lines(printed.append, clock)
    lines.expect({"orders": 10_000, "items": 30_000})
    lines("orders", 2_000)  # copied by an earlier run
    for _ in range(10):
        clock.now += 1
        lines("orders", 100)
    assert printed == [
        "orders: 2,500 of about 10,000 (25 %); about 6 minutes left for all",
        "orders: 3,000 of about 10,000 (30 %); about 6 minutes left for all",
    ]
    clock.now += 90
    lines("items", 0)
    lines("items", 30_000)
    assert printed[2:] == ["items: 0 of about 30,000 (0 %); about 62 minutes left for all"]


def test_progress_lines_without_an_expected_total_show_the_count_only() -> None:
    printed: list[str] = []
    clock = Clock()
    lines = Lines(printed.append, clock)
    lines("rules", 1)
    clock.now += 60
    lines("rules", 1)
    assert printed == ["rules: 2"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "1 second"), (89, "89 seconds"), (90, "2 minutes"), (7_300, "2 h 2 min")]
)
def test_duration_is_formatted(seconds: float, text: str) -> None:
    assert duration(seconds) == text
