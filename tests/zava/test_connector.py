"""zava connector manifest, portal and check, as a user runs them; no server is needed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from conformance.ditto.engine import Question, engine
from tests.commands import Workplace, copy_of_the_model


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    """A model of the test's own."""
    (tmp_path / "model").mkdir()
    return Workplace(copy_of_the_model(tmp_path / "model"), tmp_path / "cache")


NAMED = ("--app", "retail", "--big-peer", "main")


def test_check_of_the_printed_manifest_finds_nothing(place: Workplace) -> None:
    manifest = place.zava("connector", "manifest", *NAMED)
    assert (manifest.code, manifest.err) == (0, "")
    checked = place.zava("connector", "check", "-", stdin=manifest.out)
    assert (checked.code, checked.out, checked.err) == (0, "", "")
    as_json = place.zava("connector", "check", "-", "--json", stdin=manifest.out)
    assert (as_json.code, json.loads(as_json.out)) == (0, [])


def test_default_names_are_listed_as_hints(place: Workplace) -> None:
    done = place.zava("connector", "manifest")
    assert "ditto.live/app: ditto-app" in done.out
    assert done.err.splitlines() == [
        "the manifest names the app ditto-app; give the name of yours with --app",
        "the manifest names the big peer big-peer; give the name of yours with --big-peer",
    ]


def test_names_given_as_options_are_written(place: Workplace) -> None:
    options = ("--name", "one", "--namespace", "two", "--secret", "three", "--secret-key", "four")
    done = place.zava("connector", "manifest", *NAMED, *options)
    assert done.code == 0
    for line in ("  name: one", "  namespace: two", "          name: three", "          connectionString: four"):
        assert line in done.out.splitlines()


@pytest.mark.parametrize(
    ("option", "value"),
    [("--app", "a b"), ("--big-peer", "-x"), ("--name", "Upper"), ("--namespace", "a_b"), ("--secret", "x/y")],
)
def test_name_invalid_in_kubernetes_is_rejected(place: Workplace, option: str, value: str) -> None:
    done = place.zava("connector", "manifest", f"{option}={value}")
    assert done.code == 2
    assert done.line == (f"zava: {option}: found {value!r}; a name that Kubernetes accepts was expected; correct it")


def test_secrets_are_not_printed(place: Workplace) -> None:
    secret = "mongodb+srv://u:hunter2-Zx9@host/"  # pragma: allowlist secret
    for command in ("manifest", "portal"):
        done = place.zava("connector", command, env={"MONGODB_CONNECTION_STRING": secret})
        assert done.code == 0
        assert "hunter2" not in done.out + done.err


def test_database_of_the_settings_is_expected(place: Workplace) -> None:
    other = {"MONGODB_DATABASE": "other"}
    manifest = place.zava("connector", "manifest", *NAMED, env=other).out
    assert "      database: other" in manifest.splitlines()
    done = place.zava("connector", "check", "-", stdin=manifest)
    assert (done.code, done.out) == (
        1,
        '<stdin>:15: database is "other"; zava was expected; write database: zava\n',
    )


def test_differences_are_lines_or_json_with_exit_code_1(place: Workplace, tmp_path: Path) -> None:
    text = place.zava("connector", "manifest", *NAMED).out.replace("initialSync: true", "initialSync: false", 1)
    file = tmp_path / "bridge.yaml"
    file.write_text(text, encoding="utf-8")
    done = place.zava("connector", "check", str(file))
    line = f"{file}:20: stores.initialSync is false; true was expected; write initialSync: true\n"
    assert (done.code, done.out, done.err) == (1, line, "")
    as_json = place.zava("connector", "check", str(file), "--format", "json")
    assert as_json.code == 1
    assert json.loads(as_json.out) == [
        {
            "file": str(file),
            "line": 20,
            "kind": "initial_sync",
            "collection": "stores",
            "found": "stores.initialSync is false",
            "expected": "true was expected",
            "fix": "write initialSync: true",
        }
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file or directory; check the path"),
        (b"\xff\xfe\x00", "not UTF-8; save the file as UTF-8"),
        (b"kind: BigPeer\n", "no BigPeerDataBridge with a mongoConnector was found; one was expected; write one with"),
        (b"", "no BigPeerDataBridge with a mongoConnector was found; one was expected; write one with"),
    ],
)
def test_file_that_cannot_be_compared_exits_2(
    place: Workplace, tmp_path: Path, content: bytes | None, message: str
) -> None:
    file = tmp_path / "bridge.yaml"
    if content is not None:
        file.write_bytes(content)
    done = place.zava("connector", "check", str(file))
    assert done.code == 2
    assert done.line.startswith(f"zava: {file}: {message}")


def test_portal_sheet_fits_on_a_page(place: Workplace) -> None:
    done = place.zava("connector", "portal")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Ditto portal: MongoDB Connector\n")
    assert len(done.out.splitlines()) <= 60
    assert max(map(len, done.out.splitlines())) <= 120


@pytest.mark.ditto
def test_printed_indexes_are_accepted_and_used_by_the_engine(place: Workplace) -> None:
    done = place.zava("connector", "device-indexes")
    assert (done.code, done.err) == (0, "")
    statements = done.out.splitlines()
    assert "CREATE INDEX IF NOT EXISTS `orders_order_id` ON `orders` (`order_id`)" in statements
    assert any(one.endswith("(`store_id`, `location`.`aisle`)") for one in statements)
    assert any(one.endswith("(`customer_id` DESC, `store_id` DESC, `order_date` DESC)") for one in statements)
    answers = engine(tuple(statements)).ask(
        [
            *(Question("query", one) for one in statements),
            Question("query", "SELECT * FROM orders WHERE order_id = 'x'"),
        ]
    )
    assert [answer.error for answer in answers if answer.error] == []
    assert [step.index for step in answers[-1].plan if step.index] == ["orders_order_id"]


def test_model_without_device_indexes_is_told_where_to_add_them(place: Workplace) -> None:
    file = place.root / "config" / "ditto_subscriptions.yaml"
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    content.pop("indexes")
    file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    done = place.zava("connector", "device-indexes")
    assert (done.code, done.out) == (0, "")
    assert done.err == "config/ditto_subscriptions.yaml has no indexes; add them under indexes\n"
