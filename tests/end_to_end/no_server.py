"""A model whose embedded server never starts, and the commands that would use a server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from tests.commands import Done, Workplace, copy_of_the_model
from zava.commands import COMMANDS, load

#: A server that does not answer; a run that names it ends with exit code 3.
NOWHERE = "mongodb://127.0.0.1:1/"
#: Required arguments of commands.
REQUIRED: Mapping[str, Sequence[str]] = {
    "export": ["out"],
    "import-source": ["source"],
    "clear": ["--yes"],
    "drop-indexes": ["--yes"],
    "add-product": ["--sku", "A-1", "--name", "x", "--type", "t", "--cost", "1", "--description", "x"],
}


def every_command() -> Iterator[tuple[list[str], Any]]:
    """Every command with its path, taken from the program itself."""
    for name in COMMANDS:
        command = load(name)
        children = getattr(command, "commands", None)
        if children is None:
            yield [name], command
        else:
            yield from (([name, child], one) for child, one in children.items())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A model whose embedded server never starts."""
    root = tmp_path_factory.mktemp("careless")
    (root / "elsewhere").mkdir()
    model = copy_of_the_model(root / "model")
    for name in ("docs", "suites"):
        (model / name).mkdir()
    return Workplace(model, root / "cache")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, place: Workplace) -> Iterator[None]:
    """Wait for no server, and make sure that none was started."""
    monkeypatch.setattr("conformance.connection.client.PATIENCE_MS", 200)
    monkeypatch.setattr("conformance.doctor.doctor._output", lambda _: "v22.1.0 loaded")
    yield
    (place.root / ".env").unlink(missing_ok=True)
    assert not place.cache.exists()


def assert_rejected(done: Done, code: int, *message: str) -> None:
    """Assert that a run ended with its code and its one line, and without any verdict."""
    assert done.code == code, done.out + done.err
    assert len(done.err.strip().splitlines()) == 1, done.err
    assert "Traceback" not in done.out + done.err
    assert "CONFORMANT" not in done.out
    assert all(text in done.err for text in message), done.err
