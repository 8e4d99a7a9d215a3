"""Loading of a model: invalid definitions are rejected in one line, valid ones are read."""

# ruff: noqa: E501 - tables of cases, one a line

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from conformance.errors import ConfigurationError
from conformance.model.schemas.loading import find_model, load_model
from conformance.model.schemas.vocabulary import VOCABULARY
from conformance.patterns.portability import unportable
from tests.conformance.model.schemas.misuses import MISUSES, NAME
from tests.models import Edit, collection_of, edited_model, model_of, shipped_model, write_model


def test_project_model_has_the_expected_collections_and_indexes() -> None:
    """There are nine collections, parents first, and 44 indexes including the nine on _id."""
    model = shipped_model()
    assert len(model.collections) == 9
    assert sum(len(collection.indexes) + 1 for collection in model) == 44
    order = list(model.collections)
    for collection in model:
        for reference in collection.references:
            assert order.index(reference.target) < order.index(collection.name)
    assert [collection.name for collection in model if not collection.synced] == ["product_embeddings"]
    assert model.settings == ("NUM_CUSTOMERS", "NUM_ORDERS")


def test_vocabulary_is_a_valid_schema() -> None:
    Draft202012Validator.check_schema(json.loads(VOCABULARY.read_text(encoding="utf-8")))


@pytest.mark.parametrize(("edit", "words"), [pytest.param(edit, words, id=title) for title, edit, words in MISUSES])
def test_invalid_definition_is_one_error(edit: Edit, words: tuple[str, ...], tmp_path: Path) -> None:
    """The error is one line with the file and the position, without jsonschema's own wording."""
    with pytest.raises(ConfigurationError) as caught:
        load_model(edited_model(tmp_path, [edit]))
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < 500
    assert line.startswith(str(tmp_path / "schemas"))
    for word in (f"/{edit[0]}.json:", *words):
        assert word in line
    assert "given schemas" not in line


def test_invalid_definitions_are_distinct() -> None:
    """The table above has no duplicates."""
    assert len({title for title, _, _ in MISUSES}) == len(MISUSES) >= 40


#: Combinations of two collections that would make the generator write what the schema refuses.
OPTIONAL_PARENTS: list[tuple[str, dict[str, Any], list[str], dict[str, Any], list[str], tuple[str, ...]]] = [
    (
        "required snapshot of an optional field",
        {"name": NAME},
        ["name"],
        {"name": {**NAME, "x-snapshot": {"through": "parent", "of": ["name"]}}},
        [],
        ("/properties/name/x-snapshot", "parents.name is optional"),
    ),
    (
        "required key kept twice, optional at its source",
        {"name": NAME},
        ["name"],
        {"name": {**NAME, "x-agrees": {"through": "parent", "with": "name"}}},
        [],
        ("/properties/name/x-agrees", "parents.name is optional"),
    ),
    (
        "joined snapshot with an optional part",
        {"name": NAME, "city": NAME},
        ["city"],
        {"name": {"type": "string", "x-snapshot": {"through": "parent", "of": ["name", "city"]}}},
        ["name"],
        ("/properties/name/x-snapshot", "parents.city is optional"),
    ),
    (
        "required snapshot through an optional reference",
        {"name": NAME},
        [],
        {"name": {**NAME, "x-snapshot": {"through": "parent", "of": ["name"]}}},
        ["parent"],
        ("/properties/name/x-snapshot", "parent is optional"),
    ),
    (
        "required reference to an optional field",
        {"key": {**NAME, "x-unique": True}},
        ["key"],
        {"to": {**NAME, "x-reference": "parents.key"}},
        [],
        ("/properties/to/x-reference", "parents.key is optional"),
    ),
]


@pytest.mark.parametrize(
    ("parent", "optional_there", "child", "optional_here", "words"),
    [pytest.param(*case[1:], id=case[0]) for case in OPTIONAL_PARENTS],
)
def test_required_copy_of_an_optional_field_is_rejected(
    parent: dict[str, Any],
    optional_there: list[str],
    child: dict[str, Any],
    optional_here: list[str],
    words: tuple[str, ...],
    tmp_path: Path,
) -> None:
    """A required field cannot be a copy of an optional one."""
    reference = {"parent": {"x-bson": "objectId", "x-reference": "parents._id"}}
    schemas = {
        "parents": collection_of(parent, optional=optional_there),
        "children": collection_of({**reference, **child}, optional=optional_here),
    }
    with pytest.raises(ConfigurationError) as caught:
        model_of(tmp_path, schemas)
    assert "children.json" in str(caught.value)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("stores.json", b'{"title": "a", "title": "b"}', ("'title'", "twice")),
        ("stores.json", b'{"x-cardinality": {"exactly": NaN}}', ("NaN", "finite")),
        ("stores.json", b'{"x-cardinality": -Infinity}', ("-Infinity", "finite")),
        ("stores.json", b'{\n"title": "a",\n}', ("stores.json:3", "not valid JSON")),
        ("stores.json", b"", ("stores.json:1", "not valid JSON")),
        ("stores.json", b'{"title": "\xff"}', ("UTF-8",)),
        ("stores.json", b"[]", ("stores.json", "object")),
        ("sto%res.json", b"{}", ("sto%res.json", "it has %", "rename")),
        ("system.stores.json", b"{}", ("system.stores.json", "rename")),
    ],
)
def test_file_that_is_not_a_schema_is_rejected(
    name: str, content: bytes, words: tuple[str, ...], tmp_path: Path
) -> None:
    """The file is not JSON, or JSON that parsers read differently."""
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / name).write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        load_model(tmp_path)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_empty_model_is_rejected(tmp_path: Path) -> None:
    """An empty model is an error, not a model without rules."""
    (tmp_path / "schemas").mkdir()
    (tmp_path / "config").mkdir()
    with pytest.raises(ConfigurationError, match="no schema found"):
        load_model(tmp_path)


def test_nearest_model_at_or_above_a_folder_is_found(tmp_path: Path) -> None:
    """The nearest folder with both folders is used; without one the error is one line."""
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="--model"):
        find_model(below)
    (tmp_path / "schemas").mkdir()
    (tmp_path / "config").mkdir()
    assert find_model(below) == tmp_path


def test_unedited_copy_is_valid(tmp_path: Path) -> None:
    """The definitions above are therefore rejected because of their edits."""
    assert len(load_model(edited_model(tmp_path, [])).collections) == 9


@pytest.mark.parametrize(
    "pattern",
    [
        "^a$",
        "^[ -@\\[-~]{1,64}$",
        "^(a|b)c?$",
        "^a{2}b{2,}c{2,3}$",
        "^a\\.b$",
        "^[.]$",
        "^a\\++$",
        "^\\\\$",
        "^a*?$",
        "^é$",
    ],
)
def test_portable_pattern_is_accepted(pattern: str) -> None:
    """Patterns with these constructs are allowed."""
    assert unportable(pattern) is None


@pytest.mark.parametrize(
    "pattern",
    [
        "", "^", "a", "^a", "a$", "^a\\$", "^a|b$", "^a.b$", "^[[:alpha:]]$", "^a{,3}$", "^a++$", "^a*+$", "^(?:a)$",
        "^(?i)a$", "^[a$", "^[]a]$", "^[^]$", "^\\d$", "^[\\w]$", "^\\v$", "^\\x41$", "^\\1$", "^(a$", "^a)$", "^[z-a]$",
        "^[a--b]$", "^[a&&b]$", "^a}$", "^{$", "^a]$", "^a**$", "^^a$", "^a$$", "^\\-$",
    ],
)  # fmt: skip
def test_unportable_pattern_is_rejected(pattern: str) -> None:
    """ECMA, Python and PCRE read each of them differently, or reject it."""
    assert unportable(pattern)


def test_meta_schema_is_not_a_collection(tmp_path: Path) -> None:
    """A model may contain a copy of the meta-schema."""
    folder = write_model(tmp_path, {"things": collection_of({"name": NAME})})
    (folder / "schemas" / "vocabulary.json").write_text(json.dumps({}), encoding="utf-8")
    assert list(load_model(folder).collections) == ["things"]
