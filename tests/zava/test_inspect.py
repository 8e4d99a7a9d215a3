"""zava inspect as a user runs it: without a model, on any database, in all formats; each user error is one line."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pymongo import MongoClient

from conformance.report import json_file
from tests.commands import BIN, Done, here
from tests.conformance.inspection.databases import bank, fill, kitchen

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def uri(server: MongoClient[dict[str, Any]]) -> Iterator[str]:
    """Return the connection string of a server with two databases that have no model."""
    for name, documents in (("cli_bank", bank()), ("cli_kitchen", kitchen())):
        server.drop_database(name)
        fill(server[name], documents)
    host, port = server.address or ("", 0)
    yield f"mongodb://{host}:{port}/"
    for name in ("cli_bank", "cli_kitchen"):
        server.drop_database(name)


def zava(folder: Path, *arguments: str, **settings: str) -> Done:
    """Run the program in a folder without a model."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return here(*arguments, env=kept | settings, folder=folder)


def test_inspect_needs_no_model_and_exits_1_with_findings(uri: str, tmp_path: Path) -> None:
    done = zava(tmp_path, "inspect", f"{uri}cli_bank?directConnection=true")
    assert (done.code, done.err) == (1, "")
    assert "accounts: account_id is not quite a key: 371138 occurs 2 times" in done.out
    assert "accounts[] refers to accounts.account_id" in done.out
    assert "Means: Native mode: the number arrives as a string" in done.out


def test_json_is_in_the_format_of_validate(uri: str, tmp_path: Path) -> None:
    done = zava(tmp_path, "inspect", uri, "--database", "cli_kitchen", "--json", "--reports", "out")
    report = json.loads(done.out)
    Draft202012Validator(json.loads(json_file.SCHEMA.read_text(encoding="utf-8"))).validate(report)
    assert json_file.load(tmp_path / "out" / "validation.json")["rules"] == report["rules"]
    assert report["measured"]["inspected"]["Orders-2023"]["paths"]["saleItemIds.*"] == {"string": 20}
    assert "sale.items" in {rule["collection"] for rule in report["rules"]}
    page = (tmp_path / "out" / "validation.html").read_text(encoding="utf-8")
    assert "Proposed by the data" in page and "saleItemIds.*" in page and "price.usd" in page


def test_missing_database_name_is_one_error(uri: str, tmp_path: Path) -> None:
    done = zava(tmp_path, "inspect", uri)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("zava: --database: the server has ")
    assert "cli_bank" in done.err


def test_empty_database_is_one_error(uri: str, tmp_path: Path) -> None:
    done = zava(tmp_path, "inspect", uri, "--database", "nosuch")
    assert (done.code, done.out) == (3, "")
    assert done.err == "zava: the database nosuch has no collections; it is empty: check the name, or pass --database\n"


def test_missing_server_is_one_error(tmp_path: Path) -> None:
    done = zava(tmp_path, "inspect")
    assert done.code == 2
    assert done.err.count("\n") == 1


def test_inspection_can_be_interrupted(server: MongoClient[dict[str, Any]], uri: str, tmp_path: Path) -> None:
    server["cli_bank"]["many"].insert_many({"n": n, "text": "x" * 50, "tags": [n]} for n in range(120_000))
    process = subprocess.Popen([str(BIN / "zava"), "inspect", f"{uri}cli_bank"], cwd=tmp_path, stderr=subprocess.PIPE)
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    server["cli_bank"]["many"].drop()
    assert process.returncode == 130
    assert b"interrupted" in errors and b"Traceback" not in errors


def test_inferred_model_is_valid(uri: str, tmp_path: Path) -> None:
    done = zava(tmp_path, "infer", uri, "--database", "cli_bank", "--output", "bank")
    assert done.code == 0
    questions = (tmp_path / "bank" / "INFERRED.md").read_text().split("## Evidence")[0].count("\n- ")
    assert f"{questions} open questions are in bank/INFERRED.md" in done.err
    assert "bank/schemas/accounts.json written" in done.out
    checked = zava(
        tmp_path, "--model", "bank", "validate", "--uri", uri, "--only", "documents", MONGODB_DATABASE="cli_bank"
    )
    assert (checked.code, "CONFORMANT" in checked.out) == (0, True)
    again = zava(tmp_path, "infer", uri, "--database", "cli_bank", "--output", "bank")
    assert (again.code, again.err.count("\n")) == (2, 1)


def test_unknown_synced_collection_is_one_error(uri: str, tmp_path: Path) -> None:
    done = zava(tmp_path, "infer", uri, "--database", "cli_bank", "--output", "bank", "--sync", "acounts")
    assert (done.code, done.out) == (2, "")
    assert done.err == "zava: --sync: there is no collection acounts in cli_bank\n"


def test_synced_collection_that_cannot_be_in_the_model_is_one_error(
    server: MongoClient[dict[str, Any]], uri: str, tmp_path: Path
) -> None:
    server["cli_bank"].create_collection("rich", viewOn="accounts", pipeline=[])
    done = zava(tmp_path, "infer", uri, "--database", "cli_bank", "--output", "bank", "--sync", "rich")
    server["cli_bank"].drop_collection("rich")
    assert done.code == 2
    assert done.err == "zava: --sync: rich cannot be synced: it is a view; leave it out\n"
    assert not (tmp_path / "bank").exists()


def test_init_from_a_database_writes_its_model(uri: str, tmp_path: Path) -> None:
    done = zava(tmp_path, "init", "--from", f"{uri}cli_bank")
    assert done.code == 0
    assert {path.name for path in (tmp_path / "schemas").iterdir()} >= {"accounts.json", "customers.json"}
    assert (tmp_path / "INFERRED.md").exists() and (tmp_path / ".env.sample").exists()
    assert "read INFERRED.md" in done.err
    checked = zava(tmp_path, "validate", "--uri", uri, "--only", "documents", MONGODB_DATABASE="cli_bank")
    assert (checked.code, "CONFORMANT" in checked.out) == (0, True)


INTERVIEW = ("infer", "--database", "cli_bank", "--collection", "accounts", "--output", "bank", "--interactive")


def on_a_terminal(folder: Path, keys: str, *arguments: str) -> tuple[int, str]:
    """Run the program on a terminal and press the keys; return the exit code and what was shown."""
    main, terminal = pty.openpty()
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    with subprocess.Popen(
        [str(BIN / "zava"), *arguments], cwd=folder, env=kept, stdin=terminal, stdout=terminal, stderr=terminal,
        start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    ) as done:  # fmt: skip
        os.close(terminal)
        shown, answered = b"", 0
        with suppress(OSError):
            while chunk := os.read(main, 4096):
                shown += chunk  # a question may come in two parts
                while answered < shown.count(b"]: "):
                    os.write(main, keys.encode())
                    answered += 1
        os.close(main)
        code = done.wait(timeout=60)
    return code, shown.decode()


def test_infer_asks_on_a_terminal_and_enter_accepts(uri: str, tmp_path: Path) -> None:
    code, shown = on_a_terminal(tmp_path, "\n", *INTERVIEW, uri)
    assert code == 0, shown
    assert "accounts: Do devices hold it?" in shown
    assert (tmp_path / "bank" / "schemas" / "accounts.json").is_file()


def test_interrupted_questions_leave_no_files(uri: str, tmp_path: Path) -> None:
    code, shown = on_a_terminal(tmp_path, "\x03", *INTERVIEW, uri)
    assert code == 130, shown
    assert list(tmp_path.iterdir()) == []


def test_interactive_without_a_terminal_is_one_line(uri: str, tmp_path: Path) -> None:
    done = zava(tmp_path, "infer", uri, "--database", "cli_bank", "--output", "bank", "--interactive")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "zava: --interactive: there is no terminal to ask on; leave it out: choices are then conservative, and"
        " INFERRED.md lists them\n"
    )
