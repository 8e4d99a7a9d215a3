"""Secrets planted in every configuration file, form of address and variable appear in no output."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest
import yaml
from mcp.server.mcpserver.exceptions import ToolError
from pymongo import MongoClient

from conformance.server import provision, roles
from conformance.server.provision_script import as_mongosh
from conformance.text import masking
from conformance.text.masking import mask, masked, remember, remember_secrets
from mcp_servers.schema_description import describe
from mcp_servers.transport import server
from tests.commands import Done, Workplace, copy_of_the_model
from tests.conformance.embedded.processes import ROOT
from tests.models import shipped_model

pytestmark = pytest.mark.slow

pytest_plugins = ["tests.commands"]

SECRET: Final = "Zx9-hunter2/q"  # pragma: allowlist secret
NOWHERE: Final = "mongodb://127.0.0.1:1/"
Mongo = MongoClient[dict[str, Any]]


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the secrets of other tests."""
    monkeypatch.setattr(masking, "_remembered", set())
    monkeypatch.setattr("conformance.connection.client.PATIENCE_MS", 200)
    monkeypatch.setattr("conformance.doctor.doctor._output", lambda _: "v22.1.0 loaded")


def leaks(text: str) -> list[str]:
    """Return the forms of the secret that a text contains, and the parts of it left by truncation."""
    forms = (SECRET, quote(SECRET, safe=""), "hunter2")
    return [form for form in forms if form in text]


FORMS = [
    "mongodb://shop:{}@db.example:27017/zava",
    "mongodb+srv://shop:{}@cluster.example/?retryWrites=true",
    "https://api:{}@cloud.example/v1",
    "postgres://shop:{}@db.example/zava",
    "https://cloud.example/?api_key={}&x=1",
    "https://cloud.example/?token={}",
    "https://cloud.example/?sig={}",
    "mongodb://db.example/?authMechanismProperties=AWS_SESSION_TOKEN:{}",
    "mongodb://db.example/?tls=true&tlsCertificateKeyFilePassword={}",
    "Authorization: Bearer {}",
    "password={}",
    "api_key: '{}'",
]


@pytest.mark.parametrize("form", FORMS)
def test_secret_in_a_known_form_is_masked(form: str) -> None:
    text = f"found {form.format(SECRET)}; write another"
    assert leaks(mask(text)) == []
    assert mask(text).startswith("found ")
    assert mask(text).endswith("; write another")


def test_remembered_secret_is_masked_in_any_text() -> None:
    remember(f"mongodb://shop:{quote(SECRET, safe='')}@db.example/")
    assert mask(f"the user said {SECRET}, and {quote(SECRET, safe='')}") == "the user said ***, and ***"
    assert masked({"a": [SECRET, 1], "b": (SECRET,)}) == {"a": ["***", 1], "b": ("***",)}


def test_value_of_a_secret_key_is_masked() -> None:
    remember_secrets({"ditto": {"api_key": SECRET, "keys": ["store_id"]}, "users": [{"password": "ZAVA_APP_PASSWORD"}]})
    assert mask(f"{SECRET} ZAVA_APP_PASSWORD store_id") == "*** ZAVA_APP_PASSWORD store_id"


@pytest.mark.parametrize(
    "word", ["zava", "orders", "password", "${DITTO_API_KEY}", "DITTO_API_KEY", "your_api_key", ""]
)
def test_ordinary_word_is_not_masked(word: str) -> None:
    remember(word)
    assert mask(f"the orders of zava: {word}") == f"the orders of zava: {word}"


# Every configuration file: each value replaced by each form


def leaves(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Return the paths of a file's values; only the first element of a uniform list or object is used."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield from leaves(value, (*path, key))
    elif isinstance(content, list):
        if content:
            yield from leaves(content[0], (*path, 0))
    else:
        yield path


def replaced(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return a copy of the content with another value at the path."""
    if not path:
        return value
    changed = list(content) if isinstance(content, list) else dict(content)
    changed[path[0]] = replaced(content[path[0]], path[1:], value)
    return changed


def files() -> list[Path]:
    return [path.relative_to(ROOT) for folder in ("config", "schemas") for path in sorted((ROOT / folder).iterdir())]


def places(file: Path) -> list[tuple[Any, ...]]:
    """Return five paths of the file's values, spread over the names of the values."""
    content = yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))
    by_name = {(len(path), path[-1] if path else ""): path for path in leaves(content)}
    found = list(by_name.values())
    return found[:: max(1, len(found) // 5)][:5]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A model whose embedded server never starts."""
    root = tmp_path_factory.mktemp("secrets")
    return Workplace(copy_of_the_model(root / "model"), root / "cache")


@pytest.mark.parametrize("file", files(), ids=str)
def test_secret_in_a_configuration_file_appears_in_no_output(place: Workplace, file: Path) -> None:
    """The error for a rejected file names its line and not its value; an accepted file prints no value either."""
    path = place.root / file
    original = path.read_text(encoding="utf-8")
    content = yaml.safe_load(original)
    address = f"https://shop:{SECRET}@cloud.example/{'x' * 80}"
    try:
        for where in places(file):
            changed = replaced(content, where, address)
            written = json.dumps(changed, indent=1) if path.suffix == ".json" else yaml.safe_dump(changed)
            path.write_text(written, encoding="utf-8")
            done = place.zava("rules", "--json")
            assert leaks(done.out + done.err) == [], (where, done)
            assert done.code in (0, 2), done.err
    finally:
        path.write_text(original, encoding="utf-8")


# Every variable


VARIABLES = {
    "MONGODB_CONNECTION_STRING": f"mongodb://shop:{quote(SECRET, safe='')}@127.0.0.1:1/",
    "MONGODB_LOCAL_CONNECTION_STRING": f"mongodb://shop:{SECRET}@127.0.0.1:1/",
    "DITTO_API_KEY": SECRET,
    "DITTO_LICENSE_TOKEN": SECRET,
    "AZURE_OPENAI_API_KEY": SECRET,
    "AZURE_OPENAI_ENDPOINT": f"https://shop:{SECRET}@cloud.example/",
    "DITTO_CLOUD_ENDPOINT": f"https://cloud.example/?token={SECRET}",
    "MCP_GATEWAY_TOKEN": SECRET,
    "ZAVA_APP_PASSWORD": SECRET,
    "MONGODB_DATABASE": f"mongodb://shop:{SECRET}@127.0.0.1:1/",
    "NUM_ORDERS": f"mongodb://shop:{SECRET}@127.0.0.1:1/",
    "MONGODB_CONNECTION_STRINGS": f"mongodb://shop:{SECRET}@127.0.0.1:1/",
    "MONGODB_URI": f"mongodb://shop:{SECRET}@127.0.0.1:1/",
}


@pytest.mark.parametrize("source", ["environment", ".env"])
@pytest.mark.parametrize("name", VARIABLES)
def test_secret_in_a_variable_appears_in_no_output(place: Workplace, name: str, source: str) -> None:
    env = {name: VARIABLES[name]} if source == "environment" else {}
    if source == ".env":
        (place.root / ".env").write_text(f"{name}='{VARIABLES[name]}'\n", encoding="utf-8")
    try:
        for command in (["doctor", "--uri", NOWHERE], ["validate"], ["--debug", "validate", "--json"], ["rules"]):
            done = place.zava(*command, env={"CI": "true", **env})
            assert leaks(done.out + done.err) == [], done
    finally:
        (place.root / ".env").unlink(missing_ok=True)


@pytest.mark.parametrize("form", FORMS[:4])
def test_secret_in_an_option_appears_in_no_output(place: Workplace, form: str) -> None:
    for command in (["validate"], ["doctor"], ["--debug", "generate"], ["sync"]):
        done = place.zava(*command, "--uri", form.format(SECRET).replace("cluster.example", "cluster.invalid"))
        assert done.code != 0
        assert leaks(done.out + done.err) == [], done


# All reports of one run


def test_planted_secrets_appear_in_no_report(workplace: Workplace, generated: Done, uri: str, tmp_path: Path) -> None:
    """The connector's file is valid and wrong, so that its values are findings; the server's address has a password."""
    assert generated.code == 0
    model = copy_of_the_model(tmp_path / "model")
    file = model / "config" / "ditto_connector_config.yaml"
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    content["ditto"].update(endpoint=f"https://shop:{SECRET}@cloud.example/", api_key=SECRET, app_id=SECRET)
    content["mongodb"].update(connection_string=f"mongodb://shop:{SECRET}@db.example/", database=SECRET)
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    own = Workplace(model, workplace.cache)
    options = f"{'&' if '?' in uri else '?'}appName=x"
    env = {
        "DITTO_API_KEY": SECRET,
        "MONGODB_CONNECTION_STRING": uri + options,
        "DITTO_APP_ID": SECRET,
    }
    reports = tmp_path / "reports"
    only = ("--only", "sync", "--only", "security", "--only", "permissions", "--reports", str(reports))
    outputs = [own.zava("validate", "--format", how, *only, env=env) for how in ("text", "json", "html")]
    outputs += [own.zava("doctor", env=env), own.zava("explain", "sync._config.secrets", env=env)]
    flags = ("--reports", str(reports), f"--junitxml={reports}/junit.xml", f"--alluredir={reports}/allure-results")
    outputs.append(own.suites(*flags, "-k", "sync or security or permissions", env=env))
    assert outputs[0].code == 1, outputs[0].err
    assert re.search(r"sync\._config\.\w+", outputs[0].out)
    texts = [done.out + done.err for done in outputs]
    texts += [path.read_text(encoding="utf-8") for path in reports.rglob("*") if path.is_file()]
    assert len(texts) > 20
    assert [leaks(text) for text in texts] == [[]] * len(texts)
    assert any("***" in text for text in texts)


# Provisioning, and assistants


@pytest.mark.parametrize("flags", [[], ["--json"], ["--users"], ["--users", "--json"]], ids=" ".join)
def test_secret_appears_in_no_line_of_provision(
    workplace: Workplace, uri: str, name: str, monkeypatch: pytest.MonkeyPatch, flags: list[str]
) -> None:
    what = f"set https://shop:{SECRET}@cloud.example/ right"
    monkeypatch.setattr(provision, "plan", lambda *_, **__: [provision.Change("stores", "validator", what, {})])
    monkeypatch.setattr(roles, "plan", lambda *_: [roles.Change("app", "role", what, {})])
    done = workplace.zava("provision", "--uri", uri, "--check", *flags, env={"MONGODB_DATABASE": name})
    assert (done.code, leaks(done.out + done.err)) == (1, [])
    assert "set https://shop:***@cloud.example/ right" in done.out


def test_secret_appears_in_no_comment_of_a_script() -> None:
    change = provision.Change("stores", "validator", f"set https://shop:{SECRET}@cloud.example/", {"collMod": "stores"})
    assert leaks(as_mongosh([change], "zava")) == []


def test_secret_appears_in_no_answer_of_the_mcp_server() -> None:
    address = f"https://shop:{SECRET}@cloud.example/"

    def refuse(word: int) -> str:
        """Refuse every call."""
        raise ToolError(f"no answer from {address} for {word}")

    def fail() -> str:
        """Fail for an unforeseen reason."""
        raise RuntimeError(address)

    refuse.__doc__ = f"Ask {address}."
    made = server("shop", f"Ask {address}.", "1", [refuse, fail])

    async def answers() -> list[str]:
        texts = [str(made.instructions), *(str(tool.description) for tool in await made.list_tools())]
        for name, arguments in (("refuse", {"word": 1}), ("refuse", {"word": address}), ("fail", {})):
            with pytest.raises(ToolError) as raised:
                await made.call_tool(name, arguments)
            texts.append(str(raised.value))
        return texts

    texts = asyncio.run(answers())
    assert [leaks(text) for text in texts] == [[]] * 6
    assert "no answer from https://shop:***@cloud.example/ for 1" in " ".join(texts)


def test_secret_of_a_schema_appears_in_no_description_of_the_mcp_server() -> None:
    model = shipped_model()
    query = {"title": f"as https://shop:{SECRET}@cloud.example/", "find": {"url": "postgres://shop:" + SECRET + "@x"}}
    (described,) = describe(model, {"stores": [query]}, ["stores"])
    assert leaks(described.model_dump_json()) == []
    assert described.queries[0]["title"] == "as https://shop:***@cloud.example/"
