"""The Python example of README.md, run unchanged except for the folder and the server."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.validation import ROOT

pytestmark = pytest.mark.server


def test_example_of_the_readme_prints_results_and_exits(
    database: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MONGODB_CONNECTION_STRING", raising=False)
    database.orders.insert_one({"_id": "order", "order_id": "order"})
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    host, port = database.client.address
    for shown, used in (
        ("path/of/the/model", str(ROOT)),
        ("mongodb://localhost:27017/", f"mongodb://{host}:{port}/?directConnection=true"),
        ("shop", database.name),
    ):
        assert code.count(f'"{shown}"') == 1
        code = code.replace(f'"{shown}"', repr(used))
    with pytest.raises(SystemExit) as left:
        exec(compile(code, "README.md", "exec"), {})  # noqa: S102 - the example is run
    printed = capsys.readouterr().out
    assert left.value.code in (0, 3)
    assert "references.orders.store_id" in printed
    assert "totals.orders.total" in printed
