"""Unknown names are errors in every configuration file and schema, with a suggestion."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.config.loading import load_configuration
from conformance.config.settings import Settings
from conformance.config.unknown_names import check_parameters
from conformance.ditto.connector import load_connector
from conformance.ditto.permissions import load_permissions
from conformance.ditto.subscriptions import load_subscriptions
from conformance.errors import ConfigurationError
from conformance.files.strict_files import read_json, read_yaml
from conformance.model.collection import Model
from conformance.model.schemas.loading import load_model
from conformance.rules.catalogue import all_rules
from conformance.server.actions import ACTIONS
from conformance.server.roles import load_roles
from conformance.text.suggestion import did_you_mean
from tests.validation import ROOT

Place = tuple[str | int, ...]
MODELS: dict[Path, Model | None] = {}
#: Places whose keys are names chosen by people: parameters, lookup tables, roles, tables, fields of a filter or a
#: document.
CHOSEN = {
    "catalogue.yaml": [],
    "ditto_connector_config.yaml": [],
    "ditto_permissions.json": [],
    "ditto_subscriptions.yaml": [("parameters",), ("parameters", "*", "where"), ("devices", "*", "changes"),
                                 ("devices", "*", "subscriptions", "*", "find"), ("queries", "*", "find"),
                                 ("queries", "*", "sort"), ("queries", "*", "pipeline"), ("indexes",),
                                 ("indexes", "*")],
    "generation.yaml": [("parameters", "*")],
    "queries.yaml": [("*", "parameters"), ("*", "pipeline")],
    "rules.yaml": [("counts", "*", "only")],
    "users.yaml": [()],
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the model whose files the tests edit and put back."""
    root = tmp_path_factory.mktemp("names")
    for name in ("schemas", "config"):
        shutil.copytree(ROOT / name, root / name)
    return root


def load(folder: Path, file: str = "") -> None:
    """Read the file of a model and the files that belong to it; without a name, every file."""
    if file.startswith("schemas"):
        load_model(folder)
        return
    model = MODELS.setdefault(folder, None) or load_model(folder)
    MODELS[folder] = model
    alone = {"ditto_sub": load_subscriptions, "ditto_per": load_permissions, "ditto_con": load_connector,
             "users.yam": load_roles}  # fmt: skip
    readers = [read for name, read in alone.items() if file.removeprefix("config/").startswith(name)]
    for read in readers or ([] if file else alone.values()):
        read(model)
    if not readers:
        configuration = load_configuration(model, Settings().constants())
        all_rules(model, configuration)
        check_parameters(model, configuration)


def rejection(folder: Path, file: str, content: Any) -> str:
    """Return the error line for a model whose file has this content."""
    path = folder / file
    before = path.read_text(encoding="utf-8")
    try:
        path.write_text(json.dumps(content), encoding="utf-8")
        with pytest.raises(ConfigurationError) as refused:
            load(folder, file)
    finally:
        path.write_text(before, encoding="utf-8")
    assert len(str(refused.value).splitlines()) == 1
    return str(refused.value)


def content(file: str) -> Any:
    path = ROOT / file
    return json.loads(json.dumps(read_json(path) if path.suffix == ".json" else read_yaml(path)))


def keys(part: Any, place: Place = ()) -> Iterator[Place]:
    """Yield the path of each key; of lists only the first element's."""
    if isinstance(part, dict):
        for key, value in part.items():
            yield (*place, key)
            yield from keys(value, (*place, key))
    elif isinstance(part, list) and part:
        yield from keys(part[0], (*place, 0))


def chosen(file: str, place: Place) -> bool:
    """Return whether a key is at a position where users choose names."""
    patterns = CHOSEN.get(file, [])
    return any(
        len(place) > len(pattern)
        and all(one in ("*", other) for one, other in zip(pattern, place, strict=False))
        and (len(place) == len(pattern) + 1 or pattern[-1:] not in (("parameters",), ()))
        for pattern in patterns
    )


def misspelt(part: Any, place: Place) -> Any:
    """Return the content with the key at this path misspelt."""
    made = copy.deepcopy(part)
    holder = made
    for step in place[:-1]:
        holder = holder[step]
    wrong = f"{place[-1]}x"
    items = [(wrong if key == place[-1] else key, value) for key, value in holder.items()]
    holder.clear()
    holder.update(items)
    return made


KEYS = [
    (file, place)
    for file in CHOSEN
    for place in dict.fromkeys(keys(content(f"config/{file}")))
    if not chosen(file, place) and not (file == "catalogue.yaml" and len(place) > 3)
]


def test_every_configuration_file_is_listed() -> None:
    assert {path.name for path in (ROOT / "config").iterdir()} == CHOSEN.keys()
    assert len(KEYS) > 90


@pytest.mark.parametrize("file", CHOSEN)
def test_misspelt_key_is_rejected_at_each_level(folder: Path, file: str) -> None:
    whole = content(f"config/{file}")
    if file == "catalogue.yaml":
        whole = {name: rows[:1] for name, rows in whole.items()}
    places = [place for name, place in KEYS if name == file]
    for place in places:
        line = rejection(folder, f"config/{file}", misspelt(whole, place))
        assert file in line, (place, line)
        # A key without which the rest makes no sense may be missed first, under its right name.
        assert str(place[-1]) in line, (place, line)


#: A misspelt value of a closed set, and the expected message.
VALUES: list[tuple[str, Place, Any, str]] = [
    ("config/users.yaml", ("zava_application", "never", 0), "removes", "there is no 'removes'; did you mean remove?"),
    ("config/users.yaml", ("zava_application", "may", 0, "actions", 0), "fnd", "did you mean find?"),
    ("config/users.yaml", ("zava_application", "may", 0, "where"), "modle", "did you mean model?"),
    ("config/users.yaml", ("zava_application", "may", 0, "where"), ["ordres"], "did you mean orders?"),
    ("config/generation.yaml", ("defaults", "NUM_ORDER"), 5, "did you mean NUM_ORDERS?"),
    ("config/generation.yaml", ("parameters", "quantities"), {"1": 2}, "no recipe and no rule names this parameter"),
    ("config/catalogue.yaml", ("products", 0, "type_id"), "type_hamers", "did you mean type_hammers?"),
    ("config/catalogue.yaml", ("product_types", 0, "category_id"), "cat_handtools", "did you mean cat_hand_tools?"),
    ("config/queries.yaml", (0, "plan", "require"), ["IXSCNA"], "did you mean IXSCAN?"),
    ("config/queries.yaml", (0, "plan", "forbid"), ["COLSCAN"], "did you mean COLLSCAN?"),
    ("config/queries.yaml", (0, "collection"), "ordres", "did you mean orders?"),
    ("config/queries.yaml", (0, "pipeline", 0, "$match"), {"ordr_id": "$$order_id"}, "did you mean order_id?"),
    ("config/queries.yaml", (0, "pipeline", 0, "$match"), {"$or": [{"stauts": "$$order_id"}]}, "did you mean status?"),
    ("config/queries.yaml", (0, "pipeline", 1, "$lookup", "localField"), "oder_id", "did you mean order_id?"),
    ("config/queries.yaml", (0, "pipeline", 1, "$lookup", "foreignField"), "order_ids", "did you mean order_id?"),
    ("config/queries.yaml", (0, "pipeline", 1, "$lookup", "pipeline"), [{"$match": {"quantty": 1}}],
     "order_items has no field 'quantty'; did you mean quantity?"),
    ("config/rules.yaml", ("assertions", 0, "family"), "bussiness", "did you mean business?"),
    ("config/rules.yaml", ("assertions", 0, "severity"), "warn", "did you mean warning?"),
    ("config/ditto_subscriptions.yaml", ("devices", 0, "user"), "knwon", "did you mean known?"),
    ("config/ditto_permissions.json", ("rules", 0, "operations", 0), "reads", "did you mean read?"),
    ("config/ditto_permissions.json", ("rules", 0, "enforced_by"), "subscription", "did you mean subscriptions?"),
    ("schemas/orders.json", ("properties", "status", "x-samples"), {}, "did you mean x-sample?"),
    ("schemas/orders.json", ("x-syncs",), {}, "did you mean x-sync?"),
    ("schemas/orders.json", ("x-sync", "enable"), True, "did you mean enabled?"),
    ("schemas/orders.json", ("properties", "status", "type"), "strnig", "did you mean string?"),
    ("schemas/orders.json", ("x-sync", "id_mapping", "mode"), "single_fields", "none of match_ids, single_field"),
    ("schemas/orders.json", ("properties", "status", "x-sample"), {"choices": "order_status"}, "did you mean choice?"),
    ("schemas/products.json", ("properties", "specifications", "x-crdt"), "registr", "did you mean register?"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "place", "value", "message"), VALUES, ids=[f"{v[0]}: {v[2]}" for v in VALUES])
def test_misspelt_value_of_a_closed_set_is_rejected(
    folder: Path, file: str, place: Place, value: Any, message: str
) -> None:
    whole = content(file)
    holder = whole
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = value
    assert message in rejection(folder, file, whole)


def test_misnamed_file_is_rejected(folder: Path) -> None:
    """Otherwise the file and all its rules would be ignored."""
    for name, near in (("rules.yml", "rules.yaml"), ("rule.yaml", "rules.yaml"), ("severities.yaml", "severity.yaml")):
        shutil.move(folder / "config" / "rules.yaml", folder / "rules.yaml")
        try:
            (folder / "config" / name).write_text("{}")
            with pytest.raises(ConfigurationError, match=f"{name}: no file of this name is read; did you mean {near}"):
                load(folder)
        finally:
            (folder / "config" / name).unlink()
            shutil.move(folder / "rules.yaml", folder / "config" / "rules.yaml")
    (folder / "config" / "notes.yaml").write_text("{}")
    load(folder)
    (folder / "config" / "notes.yaml").unlink()


@pytest.mark.parametrize(
    ("name", "known", "message"),
    [
        ("removes", ["insert", "remove"], "did you mean remove?"),
        ("SYNC-ENABLED", ["sync_enabled"], "did you mean sync_enabled?"),
        ("zzz", ["a", "b"], "write one of a, b"),
        ("zzz", [str(n) for n in range(20)], "correct its spelling or remove it"),
        (5, [], "correct its spelling or remove it"),
    ],
)
def test_nearest_name_is_suggested(name: object, known: list[str], message: str) -> None:
    assert did_you_mean(name, known) == message


def test_known_actions_equal_those_of_the_server(server: Any) -> None:
    """Actions of later server versions are checked by such a server."""
    later = {"checkMetadataConsistency", "createSearchIndexes", "dropSearchIndex", "listSearchIndexes"}
    later |= {"querySettings", "queryStatsRead", "updateSearchIndex"}
    database = server["known_actions"]
    rest = {"privileges": [{"resource": {"db": database.name, "collection": ""}, "actions": sorted(ACTIONS - later)}]}
    database.command({"createRole": "all_of_them", **rest, "roles": []})
    database.command("dropRole", "all_of_them")


def test_field_computed_by_a_pipeline_is_known(folder: Path) -> None:
    whole = content("config/queries.yaml")
    whole[0]["pipeline"] += [
        {"$unwind": {"path": "$items", "includeArrayIndex": "place"}},
        {"$match": {"items.quantity": 1, "place": 0}},
        {"$set": {"double": {"$multiply": ["$total", 2]}}},
        {"$match": {"double": {"$gt": 5}}},
        {"$group": {"_id": "$status", "number": {"$sum": 1}}},
        {"$match": {"number": 1}},
    ]
    path = folder / "config" / "queries.yaml"
    before = path.read_text(encoding="utf-8")
    path.write_text(json.dumps(whole), encoding="utf-8")
    try:
        load(folder, "config/queries.yaml")
    finally:
        path.write_text(before, encoding="utf-8")
