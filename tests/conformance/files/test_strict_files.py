"""YAML and JSON files: an error is one line with the file, the line and the fix."""

# ruff: noqa: E501 - tables of cases, one a line

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, field_validator

from conformance.errors import ConfigurationError
from conformance.files.strict_files import located, parse_file, read_json, read_yaml


class Part(BaseModel):
    """A part with a name."""

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
    """The content of the files below."""

    model_config = ConfigDict(extra="forbid", strict=True)
    parts: list[Part]
    size: int = 0


YAML = "# a comment\nsize: 1\nparts:\n  - name: a\n  - name: b\n    api_key: k\n"
JSON = '{\n\t"size": 1,\n\t"parts": [\n\t\t{"name": "a"},\n\t\t{"name": "b",\n\t\t "api_key": "k"}\n\t]\n}\n'

#: The file, the replaced text, its replacement, and the expected line from the file's name on.
WRONG = [
    ("x.yaml", "size: 1", "size: one", "x.yaml:2: at size: write a whole number (found 'one')"),
    ("x.yaml", "    api_key: k", "    key: k", "x.yaml:6: at parts.1.key: there is no such key; did you mean api_key?"),
    ("x.yaml", "name: b", "api_key: c", "x.yaml:6: not valid YAML: the key 'api_key' occurs twice; remove one; correct the file"),
    ("x.yaml", "name: b\n    api_key: k", "api_key: k", "x.yaml:5: at parts.1.name: the key is missing; write it"),
    ("x.yaml", "name: b", "name: B", "x.yaml:5: at parts.1.name: write it in lower case"),
    ("x.yaml", "api_key: k", "api_key: 5550199", "x.yaml:6: at parts.1.api_key: write text"),
    ("x.yaml", YAML, "", "x.yaml:1: at the top: write keys with their values (found nothing)"),
    ("x.json", '"size": 1', '"size": "one"', "x.json:2: at size: write a whole number (found 'one')"),
    ("x.json", '"api_key": "k"', '"key": "k"', "x.json:6: at parts.1.key: there is no such key; did you mean api_key?"),
    ("x.json", '{"name": "a"}', "{}", "x.json:4: at parts.0.name: the key is missing; write it"),
    ("x.json", '"name": "b"', '"api_key": "c"', "x.json:6: the key 'api_key' occurs twice in one object; remove one"),
    ("x.json", '"size": 1', '"size": NaN', "x.json:2: NaN is not JSON; write a finite number"),
    ("x.json", '"size": 1,', '"size": 1', "x.json:3: not valid JSON: *; correct the syntax"),
    ("x.json", JSON, "", "x.json:1: not valid JSON: *; correct the syntax"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "old", "new", "message"), WRONG, ids=[f"{row[0]} {row[3][:40]}" for row in WRONG])
def test_invalid_file_is_one_error_with_its_line(tmp_path: Path, name: str, old: str, new: str, message: str) -> None:
    right = YAML if name.endswith("yaml") else JSON
    assert right.count(old) == 1
    path = tmp_path / name
    path.write_text(right.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigurationError) as raised:
        parse_file(Whole, path)
    # A * matches the parser's own wording, on which no test depends.
    assert re.fullmatch(re.escape(f"{tmp_path}/{message}").replace(r"\*", ".+"), str(raised.value))


@pytest.mark.parametrize(("name", "text"), [("x.yaml", YAML), ("x.json", JSON)])
def test_valid_file_is_read(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    whole: Whole = parse_file(Whole, tmp_path / name)
    assert [part.name for part in whole.parts] == ["a", "b"]


@pytest.mark.parametrize(
    ("place", "line"),
    [((), 2), (("size",), 2), (("parts",), 3), (("parts", 1), 5), (("parts", 1, "api_key"), 6),
     (("parts", 1, "tag", "api_key"), 6), (("parts", 7), 3), (("parts", "1"), 5), (("nothing",), 2)],
)  # fmt: skip
def test_path_in_a_file_has_a_line(tmp_path: Path, place: tuple[Any, ...], line: int) -> None:
    """A missing part has the line of its innermost existing parent."""
    path = tmp_path / "x.yaml"
    path.write_text(YAML, encoding="utf-8")
    assert str(located(path, place)) == f"{path}:{line}"


@pytest.mark.parametrize("content", [None, b"\xff", b"a: [", b""])
def test_file_without_content_has_line_1(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.yaml"
    if content is not None:
        path.write_bytes(content)
    assert str(located(path, ("a",))) == f"{path}:1"


def test_missing_json_file_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"x\.json: cannot be read: No such file"):
        read_json(tmp_path / "x.json")


# YAML: merge keys, anchors, what has no end


MERGED: list[tuple[str, Any]] = [
    ("a: &d {x: 1}\nb:\n  <<: *d\n  y: 2\n", {"a": {"x": 1}, "b": {"x": 1, "y": 2}}),
    ("a: &d {x: 1}\nb: {<<: [*d, {x: 3, z: 1}], x: 2}\n", {"a": {"x": 1}, "b": {"x": 2, "z": 1}}),
    ("a: &d {<<: {x: 1}, k: 1}\nb: {<<: *d, k: 2}\nc: {k: 3, <<: *d}\n",
     {"a": {"x": 1, "k": 1}, "b": {"x": 1, "k": 2}, "c": {"x": 1, "k": 3}}),
    ("x-defaults: &d {x: 1}\nb: {<<: *d}\n", {"b": {"x": 1}}),
    ("a: &l [1, 2]\nb: *l\n", {"a": [1, 2], "b": [1, 2]}),
    ("- &d {x: 1}\n- <<: *d\n", [{"x": 1}, {"x": 1}]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "values"), MERGED)
def test_merge_keys_and_anchors_are_read(tmp_path: Path, text: str, values: Any) -> None:
    (tmp_path / "x.yaml").write_text(text)
    assert read_yaml(tmp_path / "x.yaml") == values


BAD_YAML = [
    ("a: 1\nb: {<<: 5}\n", "2: not valid YAML: "),
    ("a: &d {x: 1}\nb: {<<: *d, <<: *d}\n", "2: not valid YAML: the key '<<' occurs twice; write <<: [*one, *other]"),
    ("a: &d {x: 1, x: 2}\nb: {<<: *d}\n", "1: not valid YAML: the key 'x' occurs twice; remove one"),
    ("b: {<<: *nope}\n", "1: not valid YAML: "),
    ("a: &a [*a]\n", " it is nested more than 100 deep, or refers to itself; write less at once"),
    ("a: &a {b: *a}\n", " it is nested more than 100 deep, or refers to itself; write less at once"),
    ("[" * 200_000, "1: not valid YAML: "),
    ("a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)),
     " it holds more than 5,000,000 values; write less at once"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), BAD_YAML, ids=[message for _, message in BAD_YAML])
def test_invalid_yaml_is_one_error(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(ConfigurationError) as raised:
        read_yaml(tmp_path / "x.yaml")
    assert f"x.yaml:{message}" in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_line_of_a_merged_key_is_that_of_its_definition(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("x-part: &p\n  name: B\nparts:\n  - name: a\n  - <<: *p\n")
    with pytest.raises(ConfigurationError, match=r"x\.yaml:2: at parts\.1\.name: write it in lower case"):
        parse_file(Whole, path)


def test_deeply_nested_json_is_rejected(tmp_path: Path) -> None:
    for text in ("[" * 200_000, '{"a":' * 200_000, "[" * 102 + "]" * 102):
        (tmp_path / "x.json").write_text(text)
        with pytest.raises(ConfigurationError, match=r"x\.json: it is nested more than 100 deep.*; write less at once"):
            read_json(tmp_path / "x.json")


def test_oversized_file_is_rejected(tmp_path: Path) -> None:
    for name, read in (("x.json", read_json), ("x.yaml", read_yaml)):
        with (tmp_path / name).open("wb") as file:
            file.truncate(64 * 1024 * 1024 + 1)  # sparse
        with pytest.raises(
            ConfigurationError, match=r"it has 67,108,865 bytes; a file of at most 67,108,864 is expected"
        ):
            read(tmp_path / name)
