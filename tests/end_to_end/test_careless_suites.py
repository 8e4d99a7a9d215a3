"""User errors with `pytest suites/`: pytest's own options, other folders, and reports of an earlier run."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from pymongo import MongoClient

from tests.commands import Done, Workplace, copy_of_the_model, finish
from tests.conformance.embedded.processes import ROOT

pytestmark = pytest.mark.server

pytest_plugins = ["tests.commands"]

NOWHERE = "mongodb://127.0.0.1:1/"
EARLIER = ("validation.json", "validation.html", "junit.xml")


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """A folder with the reports of an earlier run."""
    folder = tmp_path / "reports"
    folder.mkdir()
    for name in EARLIER:
        (folder / name).write_text("of an earlier run", encoding="utf-8")
    return folder


def suites(workplace: Workplace, reports: Path, *arguments: str, **options: Any) -> Done:
    flags = ("--reports", str(reports), f"--junitxml={reports / 'junit.xml'}")
    return workplace.suites(*flags, *arguments, **options)


def earlier(reports: Path) -> list[str]:
    """Return the reports that are unchanged since the earlier run."""
    return [path.name for path in reports.iterdir() if path.is_file() and path.read_text() == "of an earlier run"]


#: Arguments, environment, exit code, the expected message, and whether pytest writes its own JUnit file.
FAILED: Mapping[str, tuple[list[str], Mapping[str, str], int, str]] = {
    "empty uri": (["--uri", ""], {}, 2, "--uri: is empty"),
    "empty collection": (["--embedded", "--collection", " "], {}, 2, "--collection: is empty"),
    "no number": (["--embedded", "--samples", "many"], {}, 2, "--samples: found 'many'; give a whole number from 1"),
    "no sample": (["--embedded", "--samples", "0"], {}, 2, "--samples: found '0'"),
    "misspelt rule": (["--embedded", "--only", "totls"], {}, 2, "no rule matches 'totls' (did you mean totals?)"),
    "misspelt collection": (["--embedded", "--collection", "order"], {}, 2, "(did you mean orders?)"),
    "misspelt keyword": (["--embedded", "-k", "nosuch"], {}, 2, "nothing was selected; the families are business"),
    "CI": ([], {"CI": "1"}, 2, "CI is set and no server is named"),
    "wrong setting": (["--embedded"], {"NUM_ORDERS": "many"}, 2, "NUM_ORDERS: found 'many'"),
    "misspelt setting": ([], {"MONGODB_CONNECTION_STRINGS": NOWHERE}, 2, "did you mean MONGODB_CONNECTION_STRING?"),
    "unknown option": (["--embedded", "--nosuch"], {}, 4, "unrecognized arguments: --nosuch"),
    "no server": (["--uri", NOWHERE, "-k", "counts"], {}, 3, "no server answers at mongodb://127.0.0.1:1/"),
}


@pytest.mark.parametrize("case", FAILED)
def test_failed_run_prints_the_reason_and_removes_earlier_reports(
    workplace: Workplace, reports: Path, case: str
) -> None:
    arguments, env, code, message = FAILED[case]
    done = suites(workplace, reports, *arguments, env=env)
    assert done.code == code, done.out
    assert message in done.out + done.err
    assert "Traceback" not in done.out + done.err
    assert earlier(reports) == []
    assert not (reports / "validation.json").exists()


def test_collect_only_removes_no_report(workplace: Workplace, reports: Path) -> None:
    assert suites(workplace, reports, "--embedded", "--collect-only", "--only", "counts").code == 0
    assert sorted(earlier(reports)) == sorted(EARLIER[:2])  # pytest writes its own junit.xml in any case


def test_run_that_stops_at_the_first_failure_has_no_verdict(
    workplace: Workplace, generated: Done, mongo: MongoClient[dict[str, Any]], reports: Path
) -> None:
    assert generated.code == 0
    mongo["zava"]["surplus"].insert_one({})
    try:
        flags = ("--embedded", "--only", "counts", "--only", "references", "--warnings-fail", "-x")
        done = suites(workplace, reports, *flags)
        last = suites(workplace, reports, *flags[:-1], "--lf")
    finally:
        mongo["zava"].drop_collection("surplus")
    assert done.code == 1, done.out
    assert "no verdict: the run ended after " in done.out
    assert "no report was written" in done.out
    assert earlier(reports) == []
    # --lf then runs what failed, and nothing else.
    assert last.code == 1, last.out
    written = json.loads((reports / "validation.json").read_text(encoding="utf-8"))
    assert [rule["status"] for rule in written["rules"]] == ["warned"]


def test_interrupted_run_removes_earlier_reports(workplace: Workplace, reports: Path) -> None:
    (reports / "plugin.py").write_text(
        """
import os, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell in the background takes from its children
def pytest_runtest_teardown():
    os.kill(os.getpid(), signal.SIGINT)
""",
        encoding="utf-8",
    )
    flags = ("--embedded", "--only", "counts", "-p", "plugin")
    done = suites(workplace, reports, *flags, env={"PYTHONPATH": str(reports)})
    assert done.code == 2, done.out
    assert earlier(reports) == []
    assert not (reports / "validation.json").exists()


def test_sigterm_ends_a_run_during_a_hanging_query(workplace: Workplace, reports: Path) -> None:
    (reports / "plugin.py").write_text(
        "import time\nfrom conformance.run import runner\n\ndef hangs(*_):\n    print('hangs', flush=True)\n"
        "    time.sleep(600)\n\nrunner._answer = hangs\n",
        encoding="utf-8",
    )
    flags = ("--embedded", "--only", "counts", "-p", "plugin", "-s", "--model", str(workplace.root))
    process = workplace.start("pytest", str(ROOT / "suites"), *flags, env={"PYTHONPATH": str(reports)})
    assert process.stdout is not None
    while "hangs" not in process.stdout.readline():
        assert process.poll() is None
    started = time.monotonic()
    process.terminate()
    assert finish(process).code in (-signal.SIGKILL, 128 + signal.SIGTERM)
    assert time.monotonic() - started < 20


def test_headlines_of_an_embedded_run_state_generated_data(
    workplace: Workplace, generated: Done, reports: Path
) -> None:
    assert generated.code == 0
    done = suites(workplace, reports, "--embedded", "--only", "counts", f"--alluredir={reports / 'allure'}", "-v")
    assert done.code == 0, done.out
    assert "target: zava on the embedded server, generated data" in done.out
    verdict = done.out.partition("= conformance =")[2].splitlines()
    assert "generated data" in " ".join(verdict[1:3]), verdict
    assert "CONFORMANT (generated data)" in done.out
    assert json.loads((reports / "validation.json").read_text(encoding="utf-8"))["target"]["embedded"] is True
    html = (reports / "validation.html").read_text(encoding="utf-8")
    assert "generated data" in html.partition("<main")[0]
    suite = next(ElementTree.parse(reports / "junit.xml").iter("testsuite"))  # noqa: S314 - our own file
    assert suite.attrib["name"] == "Conformance of zava (generated data)"
    results = [json.loads(path.read_text(encoding="utf-8")) for path in (reports / "allure").glob("*-result.json")]
    epics = {label["value"] for result in results for label in result["labels"] if label["name"] == "epic"}
    assert epics == {"Conformance of zava (generated data)"}


def test_headlines_of_a_named_server_do_not_state_generated_data(
    workplace: Workplace, generated: Done, uri: str, reports: Path
) -> None:
    assert generated.code == 0
    done = suites(workplace, reports, "--uri", uri, "--only", "counts")
    assert done.code == 0, done.out
    assert "generated data" not in done.out + (reports / "validation.html").read_text(encoding="utf-8")
    assert "generated data" not in (reports / "junit.xml").read_text(encoding="utf-8")


def test_suites_run_without_the_allure_plugin(workplace: Workplace, generated: Done, reports: Path) -> None:
    assert generated.code == 0
    done = suites(workplace, reports, "--embedded", "--only", "counts", "-p", "no:allure_pytest")
    assert done.code == 0, done.out
    assert earlier(reports) == []


def test_suites_run_by_absolute_path_from_another_folder(workplace: Workplace, tmp_path: Path) -> None:
    """The model and the .env beside suites/ are used; a .env in the current folder is reported and not read."""
    done = workplace.run(
        "pytest", str(ROOT / "suites"), "--collect-only", "--only", "counts", "--embedded", cwd=tmp_path
    )
    assert done.code == 0, done.out + done.err
    assert f"model: {ROOT}" in done.out
    (tmp_path / ".env").write_text(f"MONGODB_CONNECTION_STRING={NOWHERE}\n", encoding="utf-8")
    done = workplace.run("pytest", str(ROOT / "suites"), "-q", cwd=tmp_path)
    assert done.code == 2, done.out + done.err
    assert f"{tmp_path}/.env is not read, since the model is in {ROOT}" in done.out + done.err


def test_env_beside_the_model_is_read_from_another_folder(workplace: Workplace, tmp_path: Path) -> None:
    model = copy_of_the_model(tmp_path / "model")
    (model / ".env").write_text(f"MONGODB_CONNECTION_STRING={NOWHERE}\n", encoding="utf-8")
    done = workplace.run("pytest", str(ROOT / "suites"), f"--model={model}", "--only", "counts", "-q", cwd=tmp_path)
    assert done.code == 3, done.out + done.err
    assert "no server answers at mongodb://127.0.0.1:1/" in done.out + done.err
