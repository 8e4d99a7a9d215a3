"""The connector's configuration: when placeholders are resolved, and how each mode forms an id."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from conformance.config.settings import Settings, load_settings
from conformance.ditto.connector import CONNECTOR_FILE, load_connector, require_workable, resolve, unfit_for_ids
from conformance.errors import ConfigurationError
from conformance.model.collection import IdMapping, Model
from conformance.model.schemas.loading import load_model
from tests.validation import ROOT

FILE = ROOT / "config" / CONNECTOR_FILE
SECRET = "hunter2-Zx9"  # pragma: allowlist secret


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return the settings of a folder whose .env has a secret and a variable that is not a setting."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DITTO_API_KEY", raising=False)
    (tmp_path / ".env").write_text(f"DITTO_API_KEY={SECRET}\nSHOP_REGION=north\n", encoding="utf-8")
    return load_settings(tmp_path / ".env")


def test_shipped_file_is_read(model: Model) -> None:
    config = load_connector(model)
    assert config.mappings == {
        "stores": IdMapping("single_field", ("store_id",)),
        "customers": IdMapping("single_field", ("customer_id",)),
        "categories": IdMapping("match_ids", ()),
        "product_types": IdMapping("match_ids", ()),
        "products": IdMapping("single_field", ("product_id",)),
        "inventory": IdMapping("match_ids", ()),
        "orders": IdMapping("single_field", ("order_id",)),
        "order_items": IdMapping("match_ids", ()),
    }
    given = config.settings
    assert (given.initial_sync, given.strict_mode, given.rate_limit_per_second, given.batch_size) == (
        True,
        False,
        100,
        1000,
    )
    retry = given.retry_strategy
    assert (retry.max_retries, retry.backoff_multiplier, retry.jitter) == (3, 2, 0.25)


def test_file_is_read_without_secrets(model: Model, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DITTO_API_KEY", raising=False)
    assert load_connector(model).ditto.api_key == "${DITTO_API_KEY}"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${DITTO_API_KEY}", SECRET),
        ("${SHOP_REGION}", "north"),
        ("${MONGODB_DATABASE}", "zava"),
        ("a ${SHOP_REGION} and ${DITTO_API_KEY}", f"a north and {SECRET}"),
        ("zava", "zava"),
        ("${lower} $DITTO_API_KEY {SHOP_REGION}", "${lower} $DITTO_API_KEY {SHOP_REGION}"),
    ],
)
def test_placeholder_is_replaced_by_the_setting(settings: Settings, text: str, value: str) -> None:
    """Settings are read from the environment and .env; other text is not changed."""
    assert resolve(text, settings, FILE) == value


def test_environment_takes_precedence_over_env_file(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve("${SHOP_REGION}", settings, FILE) == "north"
    monkeypatch.setenv("SHOP_REGION", "south")
    assert resolve("${SHOP_REGION}", load_settings(settings.environment.path), FILE) == "south"


def test_unset_variable_is_one_error(settings: Settings) -> None:
    """The error has the line of the file, the variable and the fix; it does not show variables that are set."""
    with pytest.raises(ConfigurationError) as raised:
        resolve("${DITTO_API_KEY}/${DITTO_APP_ID}", settings, FILE)
    line = FILE.read_text(encoding="utf-8").splitlines().index("  app_id: ${DITTO_APP_ID}") + 1
    message = "${DITTO_APP_ID} is not set; set DITTO_APP_ID in the environment or in .env"
    assert str(raised.value) == f"{FILE}:{line}: {message}"
    assert raised.value.exit_code == 2


def test_error_has_the_line_of_the_placeholder(settings: Settings, tmp_path: Path) -> None:
    """A comment that mentions its name does not count; for a missing file it is line 1."""
    file = tmp_path / "connector.yaml"
    file.write_text("# DITTO_APP_ID is set by the shop\n\nditto:\n  app_id: ${DITTO_APP_ID}\n", encoding="utf-8")
    for path, line in ((file, 4), (tmp_path / "none.yaml", 1)):
        with pytest.raises(ConfigurationError) as raised:
            resolve("${DITTO_APP_ID}", settings, path)
        assert str(raised.value).startswith(f"{path}:{line}: ")


def test_empty_variable_counts_as_unset(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_NAME", "")
    with pytest.raises(ConfigurationError, match=r"\$\{SHOP_NAME\} is not set; set SHOP_NAME"):
        resolve("${SHOP_NAME}", settings, FILE)


#: Id mappings of inventory and the expected problems. It has a unique pair of required immutable fields, and many other
#: fields.
MODES = [
    (("store_id", "product_id"), []),
    (("product_id", "store_id"), []),
    (("store_id",), ["store_id: two documents may have the same value (no x-unique)"]),
    (("_id",), ["'_id' can be used by match_ids only; the other modes use the document's fields"]),
    (("store_id", "_id"), ["'_id' can be used by match_ids only; the other modes use the document's fields"]),
    (("location.aisle",), ["'location.aisle' is not a top-level field"]),
    (("location",), ["'location' is a map, which Ditto does not accept in an _id"]),
    (("inventory_id",), ["'inventory_id' is not a field of inventory"]),
    (("notes",), ["'notes' is optional, so a document without it could not sync"]),
    (("stock_level",), ["'stock_level' is not immutable (x-immutable), so a change would create another document"]),
    (("notes", "location"), ["'notes' is optional, so a document without it could not sync",
                             "'location' is a map, which Ditto does not accept in an _id"]),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "reasons"), MODES, ids=[" ".join(row[0]) for row in MODES])
def test_unsuitable_id_fields_are_reported(model: Model, fields: tuple[str, ...], reasons: list[str]) -> None:
    """They must be top-level, required, immutable, unique together, of a type that Ditto accepts, and not _id."""
    assert list(unfit_for_ids(model["inventory"], fields)) == reasons


def test_parse_errors_have_line_numbers(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    (tmp_path / "config").mkdir()
    text = FILE.read_text(encoding="utf-8")
    (tmp_path / "config" / CONNECTOR_FILE).write_text(text.replace("batch_size: 1000", "batch_size: many"))
    line = next(n for n, one in enumerate(text.splitlines(), 1) if "batch_size" in one)
    with pytest.raises(ConfigurationError, match=rf"{CONNECTOR_FILE}:{line}: at settings\.batch_size: .*'many'"):
        load_connector(load_model(tmp_path))


#: The replaced text, its replacement, and the expected message with the line of the replacement.
UNWORKABLE = {
    "_id as a field": (
        "field: order_id",
        "field: _id",
        "collections.7.id_mapping: '_id' can be used by match_ids only",
    ),
    "an optional field": ("field: customer_id", "field: phone", "collections.1.id_mapping: 'phone' is not immutable"),
    "not unique": (
        "{mode: match_ids}   # a UUID; the pair",
        "{mode: single_field, field: store_id} #",
        "collections.6.id_mapping: store_id: two documents may have the same value",
    ),
    "no schema": ("name: stores", "name: shops", "collections.0.name: the model has no 'shops'; correct the name"),
    "twice": ("name: orders", "name: customers", "collections.7: customers has two entries; remove one"),
    "no batch": ("batch_size: 1000", "batch_size: 0", "settings.batch_size: found 0; expected from 1 to 10,000"),
    "strict mode not said": (
        "  strict_mode: false",
        "  #",
        "settings.strict_mode: found no value; expected true or false",
    ),
    "ever faster": (
        "multiplier: 2",
        "multiplier: .nan",
        "settings.retry_strategy.backoff_multiplier: found NaN; expected",
    ),
}


def line_of(text: str) -> int:
    """Return the number of the line with this text in the shipped file."""
    return FILE.read_text(encoding="utf-8").partition(text)[0].count("\n") + 1


def altered(folder: Path, old: str, new: str) -> tuple[Model, int]:
    """Return a model whose connector configuration has one line replaced, and the number of this line."""
    text = FILE.read_text(encoding="utf-8")
    assert text.count(old) == 1
    shutil.copytree(ROOT / "schemas", folder / "schemas")
    (folder / "config").mkdir()
    (folder / "config" / CONNECTOR_FILE).write_text(text.replace(old, new), encoding="utf-8")
    return load_model(folder), line_of(old)


@pytest.mark.parametrize("case", UNWORKABLE)
def test_unworkable_configuration_is_rejected(tmp_path: Path, case: str) -> None:
    """The error has the file, the line, the problem and the fix."""
    old, new, message = UNWORKABLE[case]
    model, line = altered(tmp_path, old, new)
    with pytest.raises(ConfigurationError) as raised:
        require_workable(model, load_connector(model))
    found = str(raised.value)
    place = model.config(CONNECTOR_FILE)
    line = line_of("settings:") if case == "strict mode not said" else line
    assert found.startswith(f"{place}:{line}: at {message}"), found
    assert "\n" not in found


#: The least and the most that is taken of each value, and what is just beyond.
LIMITS = [
    ("version: 1.0", ["version: 1", "version: 1.9"], ["version: 0.9", "version: 2.0"]),
    ("rate_limit_per_second: 100", ["rate_limit_per_second: 0"], ["rate_limit_per_second: -1"]),
    ("batch_size: 1000", ["batch_size: 1", "batch_size: 10000"], ["batch_size: 0", "batch_size: 10001"]),
    ("max_retries: 3", ["max_retries: 0", "max_retries: 100"], ["max_retries: -1", "max_retries: 101"]),
    ("multiplier: 2", ["multiplier: 1"], ["multiplier: 0.9", "multiplier: .inf"]),
    ("jitter: 0.25", ["jitter: 0", "jitter: 1"], ["jitter: -0.1", "jitter: 1.1"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "works"),
    [(old, new, works) for old, within, beyond in LIMITS for works, those in ((True, within), (False, beyond))
     for new in those],
)  # fmt: skip
def test_value_out_of_range_is_rejected(tmp_path: Path, old: str, new: str, works: bool) -> None:
    model, line = altered(tmp_path, old, new)
    config = load_connector(model)
    if works:
        require_workable(model, config)
    else:
        with pytest.raises(ConfigurationError, match=rf"{CONNECTOR_FILE}:{line}: at .*; expected "):
            require_workable(model, config)


def test_configuration_without_collections_is_rejected(tmp_path: Path) -> None:
    model, _ = altered(tmp_path, "collections:", "others:")
    path = model.config(CONNECTOR_FILE)
    enabled = FILE.read_text(encoding="utf-8").replace("sync_enabled: true", "sync_enabled: false")
    path.write_text(enabled, encoding="utf-8")
    line = enabled.splitlines().index("collections:") + 1
    message = f"{path}:{line}: at collections: no collection is enabled, so nothing would be synced; enable one"
    with pytest.raises(ConfigurationError) as raised:
        require_workable(model, load_connector(model))
    assert str(raised.value) == message


def test_change_stream_history_is_required_only_for_an_initial_sync(tmp_path: Path, model: Model) -> None:
    require_workable(model, load_connector(model))
    other, _ = altered(tmp_path, "initial_sync: true", "initial_sync: false")
    require_workable(other, load_connector(other))
