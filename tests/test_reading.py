"""YAML and JSON files: what is wrong is said in one line, with the file, the line and what to do."""

# ruff: noqa: E501 - tables of cases, one a line

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, field_validator

from conformance.errors import ConfigurationError
from conformance.reading import located, parse_file, read_json


class Part(BaseModel):
    """Something with a name."""

    model_config = ConfigDict(extra="forbid", strict=True)
    name: str
    api_key: str = ""

    @field_validator("name")
    @classmethod
    def _lower(cls, value: str) -> str:
        if value != value.lower():
            raise ValueError("write it in lower case")
        return value


class Whole(BaseModel):
    """What the files below hold."""

    model_config = ConfigDict(extra="forbid", strict=True)
    parts: list[Part]
    size: int = 0


YAML = "# a comment\nsize: 1\nparts:\n  - name: a\n  - name: b\n    api_key: k\n"
JSON = '{\n\t"size": 1,\n\t"parts": [\n\t\t{"name": "a"},\n\t\t{"name": "b",\n\t\t "api_key": "k"}\n\t]\n}\n'

#: The file, the text that is replaced and by what, and the whole line that is said, from the file's name on.
WRONG = [
    ("x.yaml", "size: 1", "size: one", "x.yaml:2: at size: Input should be a valid integer (found 'one')"),
    ("x.yaml", "    api_key: k", "    key: k", "x.yaml:6: at parts.1.key: there is no such key; remove it or correct its spelling"),
    ("x.yaml", "name: b", "api_key: c", "x.yaml:6: not valid YAML: the key 'api_key' stands twice; remove one; mend the file"),
    ("x.yaml", "name: b\n    api_key: k", "api_key: k", "x.yaml:5: at parts.1.name: the key is missing; write it"),
    ("x.yaml", "name: b", "name: B", "x.yaml:5: at parts.1.name: write it in lower case"),
    ("x.yaml", "api_key: k", "api_key: 5550199", "x.yaml:6: at parts.1.api_key: Input should be a valid string"),
    ("x.yaml", YAML, "", "x.yaml:1: at the top: Input should be a valid dictionary or instance of Whole (found 'None')"),
    ("x.json", '"size": 1', '"size": "one"', "x.json:2: at size: Input should be a valid integer (found 'one')"),
    ("x.json", '"api_key": "k"', '"key": "k"', "x.json:6: at parts.1.key: there is no such key; remove it or correct its spelling"),
    ("x.json", '{"name": "a"}', "{}", "x.json:4: at parts.0.name: the key is missing; write it"),
    ("x.json", '"name": "b"', '"api_key": "c"', "x.json:6: the key 'api_key' stands twice in one object; remove one"),
    ("x.json", '"size": 1', '"size": NaN', "x.json:2: NaN is not JSON; write a finite number"),
    ("x.json", '"size": 1,', '"size": 1', "x.json:3: not valid JSON: Expecting ',' delimiter; mend the syntax"),
    ("x.json", JSON, "", "x.json:1: not valid JSON: Expecting value; mend the syntax"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "old", "new", "said"), WRONG, ids=[f"{row[0]} {row[3][:40]}" for row in WRONG])
def test_a_wrong_file_is_one_line_with_its_line(tmp_path: Path, name: str, old: str, new: str, said: str) -> None:
    right = YAML if name.endswith("yaml") else JSON
    assert right.count(old) == 1
    path = tmp_path / name
    path.write_text(right.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigurationError) as raised:
        parse_file(Whole, path)
    assert str(raised.value) == f"{tmp_path}/{said}"


@pytest.mark.parametrize(("name", "text"), [("x.yaml", YAML), ("x.json", JSON)])
def test_a_right_file_is_read(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    whole: Whole = parse_file(Whole, tmp_path / name)
    assert [part.name for part in whole.parts] == ["a", "b"]


@pytest.mark.parametrize(
    ("place", "line"),
    [((), 2), (("size",), 2), (("parts",), 3), (("parts", 1), 5), (("parts", 1, "api_key"), 6),
     (("parts", 1, "tag", "api_key"), 6), (("parts", 7), 3), (("parts", "1"), 5), (("nothing",), 2)],
)  # fmt: skip
def test_a_place_has_a_line(tmp_path: Path, place: tuple[Any, ...], line: int) -> None:
    """Of what is not there, the line of the innermost part that is."""
    path = tmp_path / "x.yaml"
    path.write_text(YAML, encoding="utf-8")
    assert located(path, place) == f"{path}:{line}"


@pytest.mark.parametrize("content", [None, b"\xff", b"a: [", b""])
def test_a_file_without_lines_has_the_first(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.yaml"
    if content is not None:
        path.write_bytes(content)
    assert located(path, ("a",)) == f"{path}:1"


def test_a_missing_json_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"x\.json: cannot be read: No such file"):
        read_json(tmp_path / "x.json")
