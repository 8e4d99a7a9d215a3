"""Invalid definitions are rejected on loading, with one line that has file, position and fix."""

# ruff: noqa: E501 - tables of cases, one a line

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conformance.errors import ConfigurationError
from conformance.model.schemas.loading import find_model, load_model
from conformance.patterns.portability import unportable
from tests.models import ABSENT, Edit, collection_of, edited_model, model_of, write_model
from tests.validation import shipped_model

NAME = {"type": "string", "minLength": 1, "maxLength": 10}


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


#: One edit of the project's schemas each, and what the error must name.
MISUSES: list[tuple[str, Edit, tuple[str, ...]]] = [
    ("unknown keyword", ("stores", "/x-foo", 1), ("at /:", "'x-foo'", "remove")),
    ("keyword of JSON Schema", ("stores", "/properties/store_name/format", "email"), ("/properties/store_name", "'format'")),
    ("multipleOf", ("products", "/properties/cost/multipleOf", 0.01), ("/properties/cost", "'multipleOf'")),
    ("null", ("stores", "/properties/store_name/type", "null"), ("/properties/store_name/type", "'null'", "string")),
    ("nullable by type", ("stores", "/properties/store_name/type", ["string", "null"]), ("/type/1", "'null'")),
    ("unknown BSON type", ("stores", "/properties/store_name", {"x-bson": ["string", "nul"]}), ("/properties/store_name/x-bson",)),
    ("bounds of a BSON type", ("stores", "/properties/store_name", {"x-bson": ["string"], "minLength": 1}), ("/properties/store_name/minLength", "bson")),
    ("composite _id of a synced collection", ("stores", "/properties/_id", {"x-bson": ["object"]}), ("/properties/_id", "devices")),
    ("unknown type", ("stores", "/properties/is_online/type", "bool"), ("'bool'", "boolean")),
    ("no type", ("stores", "/properties/store_name/type", ABSENT), ("/properties/store_name", "type")),
    ("field is no object", ("stores", "/properties/store_name", 5), ("/properties/store_name", "5", "object")),
    ("array in a synced collection", ("stores", "/properties/tags", {"type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": 2}), ("/properties/tags", "vector")),
    ("vector without bounds", ("product_embeddings", "/properties/image_embedding/maxItems", ABSENT), ("/properties/image_embedding", "maxItems")),
    ("vector of texts", ("product_embeddings", "/properties/image_embedding/items/type", "string"), ("/x-unit-length", "numbers")),
    ("array without items", ("product_embeddings", "/properties/image_embedding/items", ABSENT), ("/properties/image_embedding", "'items'")),
    ("array of arrays", ("stores", "/properties/tags", {"type": "array", "items": {"type": "array"}}), ("/properties/tags/items",)),
    ("open document that says so in words", ("stores", "/additionalProperties", "yes"), ("/additionalProperties", "boolean")),
    ("object that does not say", ("stores", "/properties/location/additionalProperties", ABSENT), ("'additionalProperties'", "missing")),
    ("object without x-crdt", ("stores", "/properties/location/x-crdt", ABSENT), ("'x-crdt'", "missing")),
    ("object without keys", ("stores", "/properties/location/properties", ABSENT), ("properties, patternProperties",)),
    ("key of a map is no property", ("stores", "/properties/location/required/0", "street"), ("/properties/location/required", "'street'")),
    ("another BSON type", ("customers", "/properties/_id/x-bson", "decimal"), ("/properties/_id/x-bson", "objectId")),
    ("BSON and JSON type", ("customers", "/properties/_id/type", "string"), ("/properties/_id", "'type'")),
    ("pattern with \\d", ("stores", "/properties/store_name/pattern", "^\\d+$"), ("/pattern", "\\d", "[0-9]")),
    ("pattern without anchors", ("stores", "/properties/store_name/pattern", "store"), ("/pattern", "anchored")),
    ("pattern with look-around", ("stores", "/properties/store_name/pattern", "^(?=a)a$"), ("/pattern", "look-around")),
    ("pattern of a number", ("orders", "/properties/item_count/pattern", "^1$"), ("/properties/item_count", "string")),
    ("half anchored pattern", ("stores", "/properties/store_name/pattern", "^a|b$"), ("/pattern", "parentheses")),
    ("pattern with the dot", ("stores", "/properties/store_name/pattern", "^a.c$"), ("/pattern", "dot")),
    ("no regular expression", ("stores", "/properties/store_name/pattern", "^(a$"), ("/pattern", "regular expression")),
    ("reference to nowhere", ("orders", "/properties/store_id/x-reference", "shops.store_id"), ("/properties/store_id/x-reference", "'shops'")),
    ("reference to no field", ("orders", "/properties/store_id/x-reference", "stores.shop_id"), ("/x-reference", "'shop_id'")),
    ("reference to a field that is not unique", ("orders", "/properties/store_id/x-reference", "stores.created_at"), ("/x-reference", "not unique")),
    ("reference to another kind", ("orders", "/properties/store_id/x-reference", "stores.rls_user_id"), ("/x-reference", "another kind")),
    ("reference with another pattern", ("orders", "/properties/store_id/pattern", "^store_[a-z]{1,8}$"), ("/x-reference", "pattern")),
    ("reference without a field", ("orders", "/properties/store_id/x-reference", "stores"), ("/x-reference", "'stores'")),
    ("copy in a nested field", ("stores", "/properties/location/properties/city/x-snapshot", {"through": "state", "of": ["x"]}), ("/properties/location/properties/city", "top-level")),
    ("nested reference to nowhere", ("stores", "/properties/location/properties/city/x-reference", "cities._id"), ("/properties/location/properties/city/x-reference", "'cities'")),
    ("x-agrees through no reference", ("order_items", "/properties/store_id/x-agrees/through", "sku"), ("/properties/store_id/x-agrees", "'sku'", "x-reference")),
    ("x-agrees with no field", ("order_items", "/properties/store_id/x-agrees/with", "shop"), ("/properties/store_id/x-agrees", "'shop'")),
    ("snapshot of no field", ("orders", "/properties/store_name/x-snapshot/of", ["name"]), ("/properties/store_name/x-snapshot", "'name'")),
    ("snapshot of another kind", ("orders", "/properties/store_name/x-snapshot/of", ["is_online"]), ("/x-snapshot", "another kind")),
    ("snapshot of nothing", ("orders", "/properties/store_name/x-snapshot/of", []), ("/x-snapshot/of", "has fewer than 1 entries")),
    ("shorter snapshot", ("orders", "/properties/store_name/maxLength", 99), ("/properties/store_name/x-snapshot", "maxLength")),
    ("snapshot with a pattern of its own", ("orders", "/properties/store_name/pattern", "^[ -~]+$"), ("/x-snapshot", "pattern")),
    ("joined snapshot too short", ("orders", "/properties/customer_name/maxLength", 200), ("/properties/customer_name/x-snapshot", "maxLength")),
    ("joined snapshot too long", ("orders", "/properties/customer_name/minLength", 4), ("/properties/customer_name/x-snapshot", "minLength")),
    ("joined snapshot with a pattern", ("orders", "/properties/customer_name/pattern", "^[A-Z ]+$"), ("/x-snapshot", "pattern")),
    ("field required twice", ("customers", "/required/4", "customer_id"), ("/required", "'customer_id'", "has an entry twice")),
    ("unique boolean", ("stores", "/properties/is_online/x-unique", True), ("/properties/is_online/x-unique", "boolean")),
    ("unique value in a free map", ("products", "/properties/specifications/patternProperties", {"^a$": {"type": "string", "x-unique": True}}), ("/patternProperties/^a$/x-unique", "several values")),
    ("recipe in an array", ("product_embeddings", "/properties/tags", {"type": "array", "items": {"type": "string", "x-sample": {"constant": "a"}}}), ("/properties/tags/items/x-sample", "several values")),
    ("history of a reference in an array", ("product_embeddings", "/properties/tags", {"type": "array", "items": {"type": "string", "x-reference": "products.product_id", "x-history": "updated_at"}}), ("/properties/tags/items/x-history", "refers to several")),
    ("unique combination of no fields", ("inventory", "/x-unique/0/1", "shelf"), ("/x-unique/0", "'shelf'")),
    ("minimum above maximum", ("order_items", "/properties/discount_percent/minimum", 101), ("/properties/discount_percent", "no number fits", "maximum 100")),
    ("bounds that leave no integer", ("order_items", "/properties/quantity/exclusiveMaximum", 1), ("/properties/quantity", "no integer fits")),
    ("bounds that leave no whole cent", ("products", "/properties/cost/exclusiveMaximum", 0.01), ("/properties/cost", "no money fits")),
    ("minLength above maxLength", ("stores", "/properties/store_name/minLength", 101), ("/properties/store_name/minLength", "no value fits")),
    ("bound of a text", ("stores", "/properties/store_name/minimum", 1), ("/properties/store_name/minimum", "string")),
    ("length of a number", ("orders", "/properties/item_count/maxLength", 3), ("/properties/item_count/maxLength", "integer")),
    ("properties of a text", ("stores", "/properties/store_name/properties", {"a": {"type": "string"}}), ("/properties/store_name/properties", "string")),
    ("pattern of a time stamp", ("stores", "/properties/created_at/pattern", "^2024[ -~]*$"), ("/properties/created_at/pattern", "timestamp")),
    ("two kinds", ("stores", "/properties/created_at/x-uuid", 4), ("/properties/created_at", "x-uuid and x-timestamp")),
    ("money that is an integer", ("products", "/properties/cost/type", "integer"), ("/properties/cost/type", "number")),
    ("objects in a free map that do not say how they merge", ("products", "/properties/specifications/patternProperties", {"^a$": {"type": "object", "additionalProperties": False, "properties": {}}}), ("/patternProperties/^a$", "'x-crdt'")),
    ("key of an object in an array is no property", ("product_embeddings", "/properties/tags", {"type": "array", "items": {"type": "object", "additionalProperties": False, "required": ["a"], "properties": {}}}), ("/properties/tags/items/required", "'a'")),
    ("enum of another type", ("orders", "/properties/status/enum", ["pending", 1]), ("/properties/status/enum", "type")),
    ("empty enum", ("orders", "/properties/status/enum", []), ("/properties/status/enum", "has fewer than 1 entries")),
    ("counter that is a text", ("stores", "/properties/store_name/x-crdt", "counter"), ("/properties/store_name/x-crdt", "number")),
    ("index on no field", ("orders", "/x-indexes/1/keys", {"date": 1}), ("/x-indexes/1", "'date'")),
    ("index twice", ("orders", "/x-indexes/1/keys", {"deleted": 1}), ("/x-indexes", "deleted_1", "twice")),
    ("index of another direction", ("orders", "/x-indexes/1/keys", {"order_date": 2}), ("/x-indexes/1/keys/order_date", "2")),
    ("index option", ("orders", "/x-indexes/1/sparce", True), ("/x-indexes/1", "'sparce'", "sparse")),
    ("weight of no key", ("products", "/x-indexes/5/weights/sku", 3), ("/x-indexes/5", "'sku'")),
    ("vector index on no vector", ("product_embeddings", "/x-vector-index/fields/0", "image_url"), ("/x-vector-index/fields", "'image_url'")),
    ("cardinality of no known form", ("stores", "/x-cardinality", {"exact": 8}), ("/x-cardinality", "exactly n")),
    ("cardinality upside down", ("product_types", "/x-cardinality/between", [100, 20]), ("/x-cardinality/between", "100", "20")),
    ("per no collection", ("order_items", "/x-cardinality/per", ["sales"]), ("/x-cardinality/per", "'sales'")),
    ("per without a reference", ("order_items", "/x-cardinality/per", ["customers"]), ("/x-cardinality/per", "'customers'", "x-reference")),
    ("mean without deviation", ("order_items", "/x-cardinality/sigmas", ABSENT), ("/x-cardinality", "'sigmas'")),
    ("exact number beside a mean", ("order_items", "/x-cardinality/setting", "NUM_ITEMS"), ("/x-cardinality/setting", "mean is not used")),
    ("exact number said twice", ("product_embeddings", "/x-cardinality/setting", "NUM_VECTORS"), ("/x-cardinality/setting", "already says the exact number")),
    ("exact number of pairs", ("inventory", "/x-cardinality/setting", "NUM_SHELVES"), ("/x-cardinality/setting", "needs one collection under per")),
    ("midnight that is not true", ("orders", "/properties/order_date/x-sample/calendar/midnight", False), ("/x-sample/calendar/midnight", "False")),
    ("soft delete by no field", ("orders", "/x-soft-delete", "gone"), ("/x-soft-delete", "'gone'")),
    ("soft delete by a text", ("orders", "/x-soft-delete", "status"), ("/x-soft-delete", "'status'", "boolean")),
    ("optional soft delete", ("orders", "/required/15", ABSENT), ("/x-soft-delete", "'deleted'", "require it")),
    ("optional id field", ("orders", "/required/1", ABSENT), ("/x-id/equals", "order_id is optional")),
    ("x-id of no field", ("orders", "/x-id/equals", "number"), ("/x-id/equals", "'number'")),
    ("x-id of another pattern", ("orders", "/properties/_id/pattern", "^order_[0-9]{8}_[0-9]{6}$"), ("/x-id/equals", "pattern")),
    ("x-id of another kind", ("orders", "/x-id/equals", "item_count"), ("/x-id/equals", "same values")),
    ("_id that is a boolean", ("inventory", "/properties/_id", {"type": "boolean"}), ("/properties/_id", "boolean")),
    ("no _id", ("stores", "/properties/_id", ABSENT), ("/properties", "'_id'")),
    ("optional _id", ("stores", "/required/0", ABSENT), ("/required", "'_id'")),
    ("field name with a dot", ("stores", "/properties/a.b", NAME), ("/properties", "'a.b'")),
    ("required field that is none", ("stores", "/required/8", "owner"), ("/required", "'owner'")),
    ("mapping mode", ("stores", "/x-sync/id_mapping/mode", "single"), ("/x-sync/id_mapping", "'single'", "single_field")),
    ("mapping without fields", ("stores", "/x-sync/id_mapping/fields", ABSENT), ("/x-sync/id_mapping", "'fields'")),
    ("mapping by no field", ("stores", "/x-sync/id_mapping/fields/0", "shop_id"), ("/x-sync/id_mapping/fields", "'shop_id'")),
    ("synced without mapping", ("stores", "/x-sync/id_mapping", ABSENT), ("/x-sync", "'id_mapping'")),
    ("title missing", ("stores", "/title", ABSENT), ("at /:", "'title'")),
    ("another draft", ("stores", "/$schema", "http://json-schema.org/draft-04/schema#"), ("/$schema", "2020-12")),
    ("two recipes", ("orders", "/properties/order_date/x-sample/same_as", "created_at"), ("/properties/order_date/x-sample", "two recipes")),
    ("unknown recipe", ("orders", "/properties/status/x-sample", {"chose": "order_status"}), ("/properties/status/x-sample", "'chose'")),
    ("recipe of another kind", ("orders", "/properties/item_count/x-sample", {"pool": "first_name"}), ("/x-sample/pool", "integer")),
    ("presence of a required field", ("orders", "/properties/status/x-sample/present", 0.5), ("/x-sample/present", "required")),
    ("constant of another type", ("orders", "/properties/deleted/x-sample/constant", "false"), ("/properties/deleted/x-sample/constant", '"false"')),
    ("uniform beyond the bounds", ("order_items", "/properties/quantity/x-sample", {"uniform": [0, 5]}), ("/properties/quantity/x-sample/uniform", "0")),
    ("choice outside the enum", ("orders", "/properties/status/x-sample", {"choice": {"lost": 1}}), ("/properties/status/x-sample/choice", '"lost"')),
    ("digits that do not match", ("customers", "/properties/phone/x-sample/digits", "XXX-XXXX"), ("/properties/phone/x-sample/digits", "000-0000")),
    ("sequence that does not match", ("customers", "/properties/customer_id/x-sample/sequence", "C{}"), ("/x-sample/sequence", '"C1"')),
    ("sequence without a number", ("customers", "/properties/customer_id/x-sample/sequence", "cust_{{}}"), ("/x-sample/sequence", "{}")),
    ("template of no field", ("customers", "/properties/email/x-sample/template", "{name}.{#}@example.com"), ("/x-sample/template", "'name'")),
    ("unique template that repeats", ("customers", "/properties/email/x-sample/template", "{first_name}@example.com"), ("/x-sample/template", "{#}")),
    ("unique values from a pool", ("stores", "/properties/store_name/x-sample", {"pool": "city"}), ("/x-sample/pool", "unique")),
    ("unique reference drawn freely", ("product_embeddings", "/properties/product_id/x-sample", ABSENT), ("/properties/product_id", "unique", "each")),
    ("each without one per parent", ("orders", "/properties/store_id/x-sample/reference", {"each": True}), ("/x-sample/reference", "each", "stores")),
    ("parent without per", ("orders", "/properties/store_id/x-sample/reference", {"parent": "items_per_order"}), ("/x-sample/reference", "parent")),
    ("after no field", ("orders", "/properties/updated_at/x-sample/after", "sold"), ("/x-sample/after", "'sold'")),
    ("after a text", ("orders", "/properties/updated_at/x-sample/after", "status"), ("/x-sample/after", "'status'")),
    ("after without days", ("orders", "/properties/updated_at/x-sample/days", ABSENT), ("/properties/updated_at/x-sample", "'days'")),
    ("required date after an optional one", ("inventory", "/properties/last_updated/x-sample", {"after": "last_counted", "days": 2}), ("/x-sample/after", "optional")),
    ("day sequence of no calendar", ("orders", "/properties/order_id/x-sample/day_sequence/of", "created_at"), ("/day_sequence", "'created_at'")),
    ("two calendars", ("orders", "/properties/created_at/x-sample", {"calendar": {"year_weights": "year_weights"}}), ("/x-sample/calendar", "order_date")),
    ("scaled by no money", ("order_items", "/properties/unit_price/x-sample/scaled/of", "product_id.sku"), ("/x-sample/scaled", "'product_id.sku'")),
    ("seasons of nothing", ("order_items", "/properties/product_id/x-sample/reference/seasonal/through", "sku"), ("/x-sample/reference", "sku")),
    ("recipe of no reference", ("orders", "/properties/status/x-sample", {"reference": {}}), ("/x-sample/reference", "x-reference")),
]  # fmt: skip


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
