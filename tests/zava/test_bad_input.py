"""Invalid input: each case gives one error line with its fix and its exit code, and writes nothing."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from conformance.embedded.server import EmbeddedServer
from tests.commands import Done, Workplace, copy_of_the_model, state

pytestmark = pytest.mark.slow

pytest_plugins = ["tests.commands"]

Mongo = MongoClient[dict[str, Any]]
#: A password in the connection strings of this file; it must not appear in any output or file.
SECRET = "hunter2-Zx9"  # pragma: allowlist secret
WRITERS = (["validate"], ["generate"], ["generate", "--drop", "--yes"], ["provision"], ["provision", "--check"])


def schema(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    """Return an edit of the first schema."""

    def edit(root: Path) -> None:
        path = min((root / "schemas").glob("*.json"))
        content = json.loads(path.read_text(encoding="utf-8"))
        change(content)
        path.write_text(json.dumps(content), encoding="utf-8")

    return edit


def text(name: str, content: str) -> Callable[[Path], object]:
    """Return an edit that replaces a file of the model."""
    return lambda root: (root / name).write_text(content, encoding="utf-8")


@dataclass(frozen=True)
class Case:
    """A change of the input, and the exit code and the words of the error line that it must cause."""

    id: str
    message: str
    code: int = 2
    env: Mapping[str, str] = field(default_factory=dict)
    edit: Callable[[Path], object] | None = None


CONFIGURATION = [
    Case(
        "unknown keyword",
        r"schemas/\w+\.json:\d+: at /: .*x-nonsense",
        edit=schema(lambda s: s.update({"x-nonsense": 1})),
    ),
    Case(
        "misused keyword",
        r"schemas/\w+\.json:\d+: at /x-cardinality",
        edit=schema(lambda s: s.update({"x-cardinality": {"per": 5}})),
    ),
    Case(
        "schema that is no JSON",
        r"schemas/stores\.json:1: not valid JSON",
        edit=text("schemas/stores.json", '{"title": '),
    ),
    Case("invalid YAML", r"config/rules\.yaml:2: not valid YAML", edit=text("config/rules.yaml", "sums: [\n")),
    Case("YAML of another shape", r"config/queries\.yaml:1: ", edit=text("config/queries.yaml", "- 1\n")),
    Case(
        "no schema", r"schemas: no schema found", edit=lambda root: [path.unlink() for path in root.glob("schemas/*")]
    ),
    Case("size that is no number", r"NUM_ORDERS: found 'abc'; write a whole number", env={"NUM_ORDERS": "abc"}),
    Case("size of nothing", r"NUM_CUSTOMERS: found '0'", env={"NUM_CUSTOMERS": "0"}),
    Case("date that is none", r"START_DATE: found '2020-13-01'", env={"START_DATE": "2020-13-01"}),
    Case("dates the wrong way round", r"START_DATE 2027-01-01 is after END_DATE", env={"START_DATE": "2027-01-01"}),
    Case("database that cannot be", r"MONGODB_DATABASE: found 'a b'", env={"MONGODB_DATABASE": "a b"}),
    Case("unknown level", r"LOG_LEVEL: found 'LOUD'", env={"LOG_LEVEL": "LOUD"}),
    Case(
        "sample copied unchanged",
        r"MONGODB_CONNECTION_STRING: found '\*\*\*', which is the placeholder of \.env\.sample",
        edit=lambda root: shutil.copy(root / ".env.sample", root / ".env"),
    ),
]
#: Connection strings; none of them leads to a server.
CONNECTION = [
    Case("no connection string", r"MONGODB_CONNECTION_STRING: not a usable", env={"": "garbage"}),
    Case("another scheme", r"not a usable connection string", env={"": f"postgres://u:{SECRET}@127.0.0.1/"}),
    Case("space in the password", r"holds a space", env={"": f"mongodb://u:{SECRET} x@127.0.0.1:1/"}),
    Case("unescaped password", r"not a usable connection string", env={"": f"mongodb://u:{SECRET}@/:x@127.0.0.1:1/"}),
    Case(
        "unknown option",
        r"'nosuch' is not an option of a connection string",
        env={"": f"mongodb://u:{SECRET}@127.0.0.1:1/?nosuch=1"},
    ),
    Case("port that is none", r"not a usable connection string", env={"": f"mongodb://u:{SECRET}@127.0.0.1:x/"}),
    Case(
        "missing certificate",
        r"tlsCAFile: found '/nosuch\.pem'; there is no such file",
        env={"": f"mongodb://u:{SECRET}@127.0.0.1/?tls=true&tlsCAFile=/nosuch.pem"},
    ),
    Case(
        "unreachable",
        r"no server answers at .*127\.0\.0\.1:1.*nothing listens at 127\.0\.0\.1:1; check host and port",
        3,
        env={"": f"mongodb://u:{SECRET}@127.0.0.1:1/"},
    ),
]


def assert_error_line(done: Done, case: Case) -> str:
    """Return the only error line; assert that it has no traceback and no password."""
    assert done.code == case.code, done.err
    assert done.line.startswith("zava: ")
    assert re.search(case.message, done.line), done.line
    assert SECRET not in done.line
    return done.line


@pytest.mark.parametrize("case", CONFIGURATION, ids=lambda case: case.id)
def test_invalid_configuration_is_one_error_and_writes_nothing(
    workplace: Workplace, mongo: Mongo, uri: str, tmp_path: Path, case: Case
) -> None:
    other = Workplace(copy_of_the_model(tmp_path / "model"), workplace.cache)
    if case.edit is not None:
        case.edit(other.root)
    before = state(mongo)
    lines = {assert_error_line(other.zava(*command, "--uri", uri, env=case.env), case) for command in WRITERS}
    assert len(lines) == 1
    assert state(mongo) == before


@pytest.mark.parametrize("case", CONNECTION, ids=lambda case: case.id)
def test_invalid_connection_string_is_one_error(workplace: Workplace, case: Case) -> None:
    env = {"MONGODB_CONNECTION_STRING": case.env[""]}
    commands = WRITERS if case.code == 2 else WRITERS[:1]
    assert len({assert_error_line(workplace.zava(*command, env=env), case) for command in commands}) == 1
    explained = workplace.zava("--debug", "validate", env=env)
    assert explained.code == case.code
    assert "Traceback" in explained.err
    assert SECRET not in explained.err


def test_missing_model_is_one_error(workplace: Workplace, tmp_path: Path) -> None:
    for command in (*WRITERS, ["rules"], ["docs"]):
        done = workplace.zava(*command, folder=tmp_path)
        assert_error_line(done, Case("", r"no model at or above .*--model DIR"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("case", [CONFIGURATION[0], CONFIGURATION[6], CONNECTION[0]], ids=lambda case: case.id)
def test_suites_report_the_same_error(workplace: Workplace, tmp_path: Path, case: Case) -> None:
    other = Workplace(copy_of_the_model(tmp_path / "model"), workplace.cache)
    if case.edit is not None:
        case.edit(other.root)
    env = {name or "MONGODB_CONNECTION_STRING": value for name, value in case.env.items()}
    done = other.suites(env=env)
    assert done.code == case.code
    assert re.search(case.message, done.out + done.err)
    assert "Traceback" not in done.out + done.err


# Databases


def test_empty_database_gives_no_verdict(workplace: Workplace, mongo: Mongo, uri: str, name: str) -> None:
    before = state(mongo)
    done = workplace.zava("validate", "--uri", uri, env={"MONGODB_DATABASE": name})
    assert_error_line(done, Case("", f"the database {name} on .* is empty: check MONGODB_DATABASE", 3))
    assert state(mongo) == before


def test_database_name_in_other_case_is_reported(workplace: Workplace, generated: Done, uri: str) -> None:
    """The server would refuse to create ZAVA beside zava, and reading it finds nothing."""
    assert generated.code == 0
    done = workplace.zava("validate", "--uri", uri, env={"MONGODB_DATABASE": "ZAVA"})
    assert_error_line(done, Case("", "has no database ZAVA, but one named zava: set MONGODB_DATABASE to zava", 3))


@pytest.mark.parametrize("command", WRITERS, ids=" ".join)
def test_foreign_database_is_not_changed(
    workplace: Workplace, mongo: Mongo, uri: str, name: str, command: list[str]
) -> None:
    mongo[name]["payroll"].insert_one({"salary": 1})
    before = state(mongo)
    done = workplace.zava(*command, "--uri", uri, env={"MONGODB_DATABASE": name})
    assert_error_line(done, Case("", "payroll.* MONGODB_DATABASE", 3 if command == ["validate"] else 2))
    assert state(mongo) == before


def test_foreign_data_on_embedded_server_is_not_replaced(workplace: Workplace, mongo: Mongo, name: str) -> None:
    first = min((workplace.root / "schemas").glob("*.json")).stem
    mongo[name][first].insert_one({"mine": 1})
    before = state(mongo)
    done = workplace.zava("validate", "--embedded", env={"MONGODB_DATABASE": name})
    assert_error_line(done, Case("", f"documents \\(in {first}\\) that the harness did not make.*--drop"))
    assert state(mongo) == before


# Servers


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server that asks for a password."""
    with EmbeddedServer(tmp_path_factory.mktemp("guarded"), cache_gb=0.25, auth=True, linger=0.2) as server:
        yield server


def test_wrong_password_is_one_error(workplace: Workplace, guarded: EmbeddedServer) -> None:
    with MongoClient[dict[str, Any]](guarded.uri) as client:
        before = state(client)
        right = guarded.uri.split("://")[1].split("@")[0].split(":")[1]
        wrong = guarded.uri.replace(right, SECRET)
        for command in WRITERS:
            done = workplace.zava(*command, "--uri", wrong)
            assert_error_line(done, Case("", r"rejects the user name or password; check the connection string", 3))
        assert SECRET not in workplace.zava("--debug", "validate", "--uri", wrong).err
        assert state(client) == before


def test_missing_password_is_one_error(workplace: Workplace, guarded: EmbeddedServer) -> None:
    anonymous = re.sub(r"//.*@", "//", guarded.uri)
    for command in WRITERS:
        done = workplace.zava(*command, "--uri", anonymous)
        assert_error_line(done, Case("", r"the server asks for a user name and a password", 3))


def test_correct_password_appears_in_no_report(workplace: Workplace, guarded: EmbeddedServer, tmp_path: Path) -> None:
    right = guarded.uri.split("://")[1].split("@")[0].split(":")[1]
    done = workplace.zava("generate", "--uri", guarded.uri)
    assert done.code == 0
    flags = ("--only", "counts", "--only", "security", "--reports", str(tmp_path))
    done = workplace.zava("validate", "--uri", guarded.uri, *flags)
    suites = workplace.suites("--reports", str(tmp_path / "suites"), "--alluredir", str(tmp_path / "allure"),
        f"--junitxml={tmp_path / 'junit.xml'}", "-k", "counts", "--uri", guarded.uri)  # fmt: skip
    assert (done.code, suites.code) == (0, 0)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 8
    assert all(right not in path.read_text(encoding="utf-8") for path in written)
    assert right not in done.out + done.err + suites.out + suites.err
    assert "embedded:***@" in done.out


@pytest.fixture(scope="module")
def standalone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongo]:
    """A server that is no replica set, with a document."""
    directory = tmp_path_factory.mktemp("standalone")
    with (
        EmbeddedServer(directory, cache_gb=0.25, replica_set=False, linger=0.2) as server,
        MongoClient[dict[str, Any]](server.uri) as client,
    ):
        yield client


def address(client: Mongo) -> str:
    """The connection string of a client."""
    host, port = client.address or ("", 0)
    return f"mongodb://{host}:{port}/?directConnection=true"


@pytest.mark.parametrize("command", WRITERS[1:], ids=" ".join)
def test_standalone_server_is_not_written_to(workplace: Workplace, standalone: Mongo, command: list[str]) -> None:
    before = state(standalone)
    done = workplace.zava(*command, "--uri", address(standalone))
    assert_error_line(
        done, Case("", r"is a standalone server, .*; nothing was written: start mongod with --replSet", 3)
    )
    assert state(standalone) == before


def test_standalone_server_is_one_finding_and_dependent_rules_are_skipped(
    workplace: Workplace, generated: Done, mongo: Mongo, standalone: Mongo, name: str
) -> None:
    assert generated.code == 0
    for collection in mongo["zava"].list_collection_names():
        if not collection.startswith("system."):
            standalone[name][collection].insert_many(mongo["zava"][collection].find())
    done = workplace.zava("validate", "--uri", address(standalone), "--allow-writes", "--format", "json",
        env={"MONGODB_DATABASE": name})  # fmt: skip
    standalone.drop_database(name)
    rules = json.loads(done.out)["rules"]
    assert (done.code, done.err) == (1, "")
    assert [rule["id"] for rule in rules if rule["status"] == "error"] == []
    (finding,) = [rule for rule in rules if rule["id"].startswith("streams._database") and rule["status"] == "failed"]
    assert finding["samples"] == [
        {"ref": "server", "why": "the server is a standalone; expected a replica set or a sharded cluster"}
    ]
    skipped = {rule["reason"] for rule in rules if rule["id"].endswith(".round_trip")}
    assert skipped == {"the server has no change streams; see streams._database.replica_set"}
