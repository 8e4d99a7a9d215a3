"""User errors in options, names and the shell, and reports of an earlier run."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.commands import BIN, Workplace, copy_of_the_model
from tests.end_to_end.no_server import NOWHERE, REQUIRED, assert_rejected, every_command, place, quick

pytestmark = pytest.mark.server

pytest_plugins = ["tests.commands"]

__all__ = ["place", "quick"]


EMPTY = [
    pytest.param([*path, *option], id=" ".join([*path, *option]))
    for path, command in every_command()
    for each in command.params
    if not getattr(each, "is_flag", False)
    for option in ([[max(each.opts, key=len)]] if each.param_type_name == "option" else [[]])
]


@pytest.mark.parametrize("value", ["", "  "], ids=["empty", "blank"])
@pytest.mark.parametrize("arguments", [*EMPTY, pytest.param(["--model"], id="--model")])
def test_empty_value_of_any_option_is_an_error(place: Workplace, arguments: list[str], value: str) -> None:
    done = place.zava(*arguments, value, *(["rules"] if arguments == ["--model"] else []))
    assert_rejected(done, 2, "is empty; give a value, or leave it out")


def test_option_given_as_a_value_is_an_error(place: Workplace) -> None:
    """``--uri $SERVER --embedded`` with SERVER unset gives these arguments."""
    assert_rejected(place.zava("validate", "--uri", "--embedded"), 2, "--uri: found --embedded, which is an option")


WRITTEN = [
    pytest.param([*path, *REQUIRED.get(path[0], ()), max(each.opts, key=len)], id=" ".join([*path, each.opts[0]]))
    for path, command in every_command()
    for each in command.params
    if each.param_type_name == "option" and each.name in ("reports", "out", "store", "state", "baseline")
]


@pytest.mark.parametrize("arguments", WRITTEN)
def test_unwritable_path_is_one_error(place: Workplace, arguments: list[str]) -> None:
    done = place.zava(*arguments, "/dev/null/x", env={"MONGODB_CONNECTION_STRING": NOWHERE})
    assert done.code in (2, 3), done.out + done.err
    assert len(done.err.strip().splitlines()) == 1, done.err
    assert "Traceback" not in done.err
    assert "Error:" not in done.err, done.err  # such as NotADirectoryError


def test_unwritable_reports_folder_is_reported_before_rules_run(place: Workplace) -> None:
    done = place.zava("validate", "--reports", "/dev/null/x", env={"MONGODB_CONNECTION_STRING": NOWHERE})
    assert_rejected(done, 2, "/dev/null/x/validation.json: cannot be written: Not a directory")


# Names: the error for a selection without a match lists the existing names


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["valdate"], "there is no command 'valdate'; did you mean validate?"),
        (["nosuch"], "there is no command 'nosuch'; `zava --help` lists the commands"),
        (["user"], "there is no command 'user'; did you mean provision --users?"),
        (["watch"], "there is no command 'watch'; did you mean validate --watch?"),
        (["mcp", "nosuch"], "the commands are zava mcp customer-sales, zava mcp sales-analysis"),
        (["validate", "--format", "xml"], "--format: found 'xml'; write one of text, json, html"),
        (["trend", "--format", "xml"], "--format: found 'xml'; write one of text, json"),
        (["validate", "--sample", "0"], "--sample: found '0'; write a whole number from 1 to 1000"),
        (["mcp", "customer-sales", "--port", "x"], "--port: found 'x'; write a whole number from 0 to 65535"),
        (["up", "--cache-gb", "x"], "--cache-gb: found 'x'; write a number from 0.25"),
        (["validate", "--model", "."], "--model must be before the command: `zava --model … validate`"),
        (["mcp", "customer-sales", "--debug"], "--debug must be before the command: `zava --debug mcp customer-sales`"),
        (["validate", "--onyl", "x"], "--onyl is not an option of `zava validate`; did you mean --only?"),
        (["validate", "--nosuch"], "--nosuch is not an option of `zava validate`; see `zava validate --help`"),
        (["validate", "extra"], "(extra); see `zava validate --help`"),
        (["validate", "--json=1"], "'--json' does not take a value; "),
        (["explain"], "RULE_ID is missing; `zava explain --help` shows an example"),
        (["--model"], "'--model' requires an argument; "),
        (["rules", "--collection", "order"], "(did you mean orders?); the collections are _config, _database, cat"),
        (["validate", "--collection", "order"], "there is no collection 'order' (did you mean orders?)"),
        (["rules", "--only", "totls"], "no rule matches 'totls' (did you mean totals?); the families are business,"),
        (["rules", "--only", "totals", "--only", "totls"], "no rule matches 'totls' (did you mean totals?)"),
        (["validate", "--only", "nosuch*"], "no rule matches 'nosuch*'; the families are business, counts"),
        (["rules", "--only", "totals", "--collection", "stores"], "no rule of stores matches 'totals'; its rules are"),
        (["explain", "totals.orders.totl"], "there is no rule 'totals.orders.totl'; did you mean totals.orders.total"),
        (["rules", "--json", "--format", "text"], "--json and --format text exclude each other"),
        (["validate", "--json", "--format", "html"], "--json and --format html exclude each other"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_misspelled_name_is_one_error_with_a_suggestion(place: Workplace, arguments: list[str], message: str) -> None:
    assert_rejected(place.zava(*arguments), 2, message)


def test_json_and_format_json_are_options_of_every_command_that_prints_json() -> None:
    options = {" ".join(path): {name for each in one.params for name in each.opts} for path, one in every_command()}
    with_one = {path for path, names in options.items() if names & {"--json", "--format"}}
    assert {path for path, names in options.items() if {"--json", "--format"} <= names} == with_one
    without = {"mcp customer-sales", "mcp sales-analysis", "encode-password", "infer"}
    without |= {f"connector {name}" for name in ("manifest", "portal", "device-indexes")}
    assert options.keys() - with_one == without


def test_json_and_format_json_print_the_same(place: Workplace) -> None:
    for command in (["rules", "--only", "totals"], ["explain", "totals.orders.total"]):
        one, other = place.zava(*command, "--json"), place.zava(*command, "--format", "json")
        assert one.out == other.out != place.zava(*command, "--format", "text").out
        assert (one.code, other.code) == (0, 0)


def test_version_is_printed(place: Workplace) -> None:
    assert place.zava("--version").out == "zava 0.1.0\n"


@pytest.mark.parametrize(
    ("words", "wanted"),
    [("validate --only tot", {"totals"}), ("rules --only totals.orders.tot", {"totals.orders.total"}),
     ("validate --collection order", {"orders", "order_items"}),
     ("explain totals.orders.sub", {"totals.orders.subtotal"}),
     ("trigger-initial-sync --collection sto", {"stores"})],
)  # fmt: skip
def test_shell_completes_rules_and_collections(place: Workplace, words: str, wanted: set[str]) -> None:
    env = {"_ZAVA_COMPLETE": "complete_bash", "COMP_WORDS": f"zava {words}", "COMP_CWORD": str(len(words.split()))}
    assert set(place.run("zava", env=env).out.split()) == wanted


# The shell: pipes and locales


def shell(place: Workplace, line: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in the model's folder."""
    return subprocess.run(
        ["bash", "-c", line.replace("zava ", f"{shlex.quote(str(BIN / 'zava'))} ")],
        cwd=place.root,
        env=place.environment(env),
        capture_output=True,
        encoding="utf-8",
        errors="backslashreplace",
        check=False,
    )


def test_closed_pipe_does_not_change_the_exit_code(place: Workplace) -> None:
    done = shell(place, "zava rules | head -1; echo ${PIPESTATUS[0]}")
    assert (done.stdout.splitlines()[-1], done.stderr) == ("0", "")
    done = shell(place, "(zava rules; echo $? >&2) | true")
    assert done.stderr == "0\n"
    done = shell(place, "zava rules --only nosuch 2>&1 | true; echo ${PIPESTATUS[0]}")
    assert done.stdout == "2\n"


LOCALES = [
    {"LC_ALL": "C"},
    {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"LC_ALL": "C", "PYTHONIOENCODING": "ascii:strict"},
    {"PYTHONIOENCODING": "latin-1:strict"},
]


@pytest.mark.parametrize("locale", LOCALES, ids=lambda locale: " ".join(locale.values()))
def test_any_character_is_printed_in_any_locale(place: Workplace, tmp_path: Path, locale: dict[str, str]) -> None:
    model = copy_of_the_model(tmp_path / "model")
    schema = model / "schemas" / "stores.json"
    schema.write_text(schema.read_text(encoding="utf-8").replace('"title": "', '"title": "日本 é '), encoding="utf-8")
    other = Workplace(model, place.cache)
    done = shell(other, "zava rules --collection stores && zava explain counts.stores.documents", **locale)
    assert (done.returncode, done.stderr) == (0, "")
    assert "日本" in done.stdout or r"\u65e5\u672c" in done.stdout
    failed = shell(other, "zava rules --only 日本語", **locale)
    assert (failed.returncode, len(failed.stderr.splitlines())) == (2, 1)


# A report of an earlier run


@pytest.mark.parametrize(
    ("arguments", "env"),
    [
        (["validate"], {}),  # no server answers
        (["validate", "--nosuch"], {}),
        (["validate", "--only", "nosuch"], {}),
        (["validate"], {"NUM_ORDERS": "many"}),
        (["merge", "nosuch.json"], {}),
    ],
    ids=str,
)
def test_failed_run_removes_earlier_reports(
    place: Workplace, tmp_path: Path, arguments: list[str], env: Mapping[str, str]
) -> None:
    kept = tmp_path / "history" / "20200101T000000Z-00000000.json"
    kept.parent.mkdir()
    for path in (tmp_path / "validation.json", tmp_path / "validation.html", tmp_path / "other.html", kept):
        path.write_text("of an earlier run", encoding="utf-8")
    done = place.zava(*arguments, "--reports", str(tmp_path), env={"MONGODB_CONNECTION_STRING": NOWHERE, **env})
    assert done.code in (2, 3)
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == [kept.name, "other.html"]


def test_failed_conform_removes_earlier_reports(place: Workplace) -> None:
    reports = place.root / "reports"
    (reports / "allure").mkdir(parents=True)
    for name in ("validation.json", "validation.html", "junit.xml", "allure/index.html"):
        (reports / name).write_text("of an earlier run", encoding="utf-8")
    assert place.zava("conform", env={"CI": "true"}).code == 2
    assert list(reports.iterdir()) == []


def test_help_removes_no_report(place: Workplace, tmp_path: Path) -> None:
    (tmp_path / "validation.json").write_text("{}", encoding="utf-8")
    assert place.zava("validate", "--reports", str(tmp_path), "--help").code == 0
    assert (tmp_path / "validation.json").exists()


def test_input_file_in_the_reports_folder_is_not_removed(place: Workplace, tmp_path: Path) -> None:
    part = tmp_path / "validation.json"
    part.write_text("{}", encoding="utf-8")
    assert place.zava("merge", str(part), "--reports", str(tmp_path)).code == 2
    assert part.exists()
