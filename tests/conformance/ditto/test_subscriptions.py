"""Subscriptions: the parser and Ditto's engine agree, and invalid files are rejected."""

# ruff: noqa: E501 - tables of cases, one a line

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance.ditto.subscriptions import (
    SUBSCRIPTIONS_FILE,
    Selection,
    Subscriptions,
    load_subscriptions,
    parse_subscription,
)
from conformance.errors import ConfigurationError
from conformance.language.conditions.condition import Always, Comparison, Every, Parameter, is_computed
from conformance.language.conditions.translation import to_mongo
from conformance.model.collection import Model
from edge.store.store import Store
from tests.conformance.ditto.shipped import shipped
from tests.validation import ROOT

__all__ = ["shipped"]


SHIPPED = (ROOT / "config" / SUBSCRIPTIONS_FILE).read_text(encoding="utf-8")
OWN = Comparison("store_id", "=", Parameter("store_id"))


TAKEN = [
    ("SELECT * FROM orders", Selection("orders", Always(True))),
    ("select * from orders where store_id = :store_id", Selection("orders", OWN)),
    ("SELECT *\n  FROM `orders`\n  WHERE store_id = :store_id", Selection("orders", OWN)),
    ("SELECT * FROM orders WHERE store_id = :store_id AND customer_id IN :ids",
     Selection("orders", Every((OWN, Comparison("customer_id", "IN", Parameter("ids")))))),
    ("SELECT * FROM orders AS o WHERE o.store_id = :store_id", Selection("orders", OWN)),
    ("SELECT ALL * FROM default:orders o WHERE store_id = :store_id", Selection("orders", OWN)),
    ("SELECT * FROM orders WHERE order_date >= :since", Selection("orders", Comparison("order_date", ">=", Parameter("since")))),
    ("SELECT * FROM orders WHERE NOT (total < 5 OR note IS MISSING)",
     Selection("orders", Every((Comparison("total", ">=", 5), Comparison("note", "IS NOT MISSING", ()))))),
    ("SELECT * FROM orders WHERE status LIKE 'p%'", Selection("orders", Comparison("status", "LIKE", "p%"))),
]  # fmt: skip

#: Conditions that only the engine evaluates, and that it accepts.
COMPUTED = [
    "SELECT * FROM orders WHERE total + tax > 10",
    "SELECT * FROM orders WHERE lower(status) = 'open' AND order_date >= :since",
    "SELECT * FROM orders WHERE date_cast(order_date) > clock()",
    "SELECT * FROM orders WHERE CAST(total AS FLOAT) BETWEEN 1 AND 2",
    "SELECT * FROM orders WHERE ANY x IN tags SATISFIES x = 'a' END",
    "SELECT * FROM orders WHERE CASE WHEN total > 1 THEN true ELSE false END",
    "SELECT * FROM orders WHERE _id.store_id = :since",
]

_GROUPED = "no GROUP BY, ORDER BY or LIMIT"
_WHOLE = "whole documents: no DISTINCT, field or aggregate; write SELECT *"
REFUSED = [
    ("SELECT * FROM orders ORDER BY order_date", _GROUPED),
    ("SELECT * FROM orders WHERE deleted = false ORDER BY order_date", _GROUPED),
    ("SELECT * FROM orders LIMIT 1", _GROUPED),
    ("SELECT * FROM orders LIMIT :ids", _GROUPED),
    ("SELECT * FROM orders GROUP BY store_id", _GROUPED),
    ("SELECT * FROM orders JOIN stores ON orders.store_id = stores._id", "about one collection, without JOIN"),
    ("SELECT DISTINCT * FROM orders", _WHOLE),
    ("SELECT order_id FROM orders", _WHOLE),
    ("SELECT orders.* FROM orders", _WHOLE),
    ("SELECT COUNT(*) FROM orders", _WHOLE),
    ("SELECT *, total FROM orders", _WHOLE),
    ("SELECT * FROM orders USE IDS 'a'", "no USE IDS"),
    ("SELECT * FROM orders, stores", "DQL reads one collection after FROM"),
    ("SELECT * FROM orders;", "ends without a semicolon"),
    ("SELECT * FROM orders UNION SELECT * FROM stores", "DQL has no UNION"),
    (
        "INSERT INTO orders DOCUMENTS (:d)",
        "a subscription is SELECT * FROM <collection> WHERE <condition>; write it so",
    ),
    ("DELETE FROM orders", "a subscription is SELECT"),
    ("EXPLAIN SELECT * FROM orders", "a subscription is SELECT"),
    ("", "SELECT or another statement"),
]
#: Statements that only the harness rejects: the engine accepts them and ignores a part.
STRICTER = [("SELECT * FROM orders OFFSET 1", "Ditto takes OFFSET in a subscription and ignores it")]
#: Conditions that the harness does not parse are not errors of the file: the engine decides.
LEFT_TO_THE_ENGINE = [
    "SELECT * FROM orders WHERE order_id IN (SELECT order_id FROM order_items)",
    "SELECT * FROM orders AS o WHERE o.deleted = = false",
    "SELECT * FROM orders WHERE deleted -> false",
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The real engine."""
    with Store.open(tmp_path_factory.mktemp("subscriptions")) as opened:
        yield opened


@pytest.mark.parametrize(("text", "selection"), TAKEN, ids=[row[0] for row in TAKEN])
def test_subscription_is_parsed(store: Store, text: str, selection: Selection) -> None:
    assert parse_subscription(text) == selection
    given = parse_subscription(text).parameters
    store.validate_subscription(text, {name: ["x"] if is_list else "x" for name, is_list in given.items()})


@pytest.mark.parametrize("text", COMPUTED)
def test_subscription_that_only_the_engine_evaluates_is_accepted(store: Store, text: str) -> None:
    assert is_computed(parse_subscription(text).condition)
    store.validate_subscription(text, {"since": "2024"})


@pytest.mark.parametrize("text", LEFT_TO_THE_ENGINE)
def test_unparsed_condition_is_validated_by_the_engine(store: Store, text: str) -> None:
    found = parse_subscription(text)
    assert (found.collection, is_computed(found.condition), found.fields) == ("orders", True, ())
    with pytest.raises(Exception, match=r"(?i)dql|unsupported"):
        store.validate_subscription(text)


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=[row[0] for row in REFUSED])
def test_invalid_subscription_is_rejected_by_parser_and_engine(store: Store, text: str, message: str) -> None:
    """The parser rejects it with one line that has the fix; the real engine rejects it too."""
    with pytest.raises(ValueError) as raised:
        parse_subscription(text)
    assert message in str(raised.value)
    with pytest.raises(Exception, match=r"(?i)dql|query|unsupported"):
        store.validate_subscription(text, {"d": [], "ids": 1})


@pytest.mark.parametrize(("text", "message"), STRICTER, ids=[row[0] for row in STRICTER])
def test_clause_that_the_engine_ignores_is_rejected(store: Store, text: str, message: str) -> None:
    with pytest.raises(ValueError) as raised:
        parse_subscription(text)
    assert message in str(raised.value)
    store.validate_subscription(text, {"ids": ["x"]})


# -- the file ----------------------------------------------------------------------------------------------------------


def test_shipped_devices_subscribe_to_the_documented_collections(shipped: Subscriptions) -> None:
    """The devices are a store, a sales rep's customers, the catalogue, and several stores."""
    held = {device.name: [one.selection.collection for one in device.subscriptions] for device in shipped.devices}
    of_the_store = ["stores", "products", "inventory", "orders", "order_items"]
    assert held == {
        "store_manager": of_the_store,
        "pos": of_the_store,
        "sales_rep": [
            "stores",
            "products",
            "categories",
            "product_types",
            "inventory",
            "customers",
            "orders",
            "order_items",
        ],
        "catalogue": ["products", "categories", "product_types"],
        "manager": of_the_store,
    }
    assert {device.name for device in shipped.devices if device.user == "super_manager"} == {"manager"}


def test_query_and_filter_of_every_subscription_are_equal(shipped: Subscriptions) -> None:
    """The texts are compared, so that no data is needed."""
    assert [place for place, _, one in shipped.places() if to_mongo(one.selection.condition) != one.find] == []


def edited(change: Callable[[Any], object]) -> str:
    """Return the shipped file with a change."""
    content = yaml.safe_load(SHIPPED)
    change(content)
    return yaml.safe_dump(content, sort_keys=False)


def query(text: str) -> Callable[[Any], object]:
    """Return another query for the till's orders."""
    return lambda c: c["devices"][1]["subscriptions"][3].update(query=text)


WRONG: list[tuple[str, Callable[[Any], object], str]] = [
    ("order", query("SELECT * FROM orders ORDER BY order_date"), "at devices.0.subscriptions.3.query: a subscription has no GROUP BY"),
    ("no devices", lambda c: c.update(devices=[]), "at devices"),
    ("no subscription", lambda c: c["devices"][3].update(subscriptions=[]), "at devices.3.subscriptions"),
    ("unknown user", lambda c: c["devices"][1].update(user="guest"), "at devices.1.user: there is no such value; write one of known, super_manager (found 'guest')"),
    ("reading as a change", lambda c: c["devices"][1]["changes"]["orders"].append("read"), "at devices.1.changes: changes are write, update, delete; what is read is in subscriptions"),
    ("unknown change", lambda c: c["devices"][1]["changes"].update(orders=["erase"]), "at devices.1.changes.orders.0"),
    ("no name", lambda c: c["devices"][1].update(name="A till"), "at devices.1.name"),
    ("two of a name", lambda c: c["devices"][1].update(name="manager"), "at the top: two have the name 'manager'; rename one"),
    ("two queries of a name", lambda c: c["queries"][1].update(name="order"), "at the top: two have the name 'order'; rename one"),
    ("two sources", lambda c: c["parameters"]["store_id"].update(literal="x"), "at parameters.store_id: a parameter is from user, values, value or literal; write one of them"),
    ("no source", lambda c: c["parameters"]["store_id"].pop("user"), "at parameters.store_id: a parameter is from user"),
    ("a source that is no field", lambda c: c["parameters"]["sku"].update(value="sku"), "at parameters.sku.value"),
    ("none at all", lambda c: c["parameters"]["order_ids"].update(at_most=0), "at parameters.order_ids.at_most"),
    ("query that changes something", lambda c: c["queries"][0].update(query="DELETE FROM orders"), "at queries.0: a query reads: write SELECT"),
    ("query that explains", lambda c: c["queries"][0].update(query="EXPLAIN SELECT * FROM orders"), "at queries.0: a query reads"),
    ("find and pipeline", lambda c: c["queries"][0].update(pipeline=[]), "at queries.0: find and pipeline are two ways"),
    ("a pipeline with a limit", lambda c: c["queries"][0].update(find=None, pipeline=[], limit=1), "at queries.0: sort and limit belong to find"),
    ("an unknown operator", lambda c: c["queries"][0].update(plan={"forbid": ["COLLSCAN"]}), "at queries.0.plan: no plan has COLLSCAN"),
    ("a plan that demands nothing", lambda c: c["queries"][0].update(plan={}), "at queries.0.plan: plan: set require, forbid or indexed"),
    ("an index without fields", lambda c: c["indexes"].update(orders=[{}]), "at indexes.orders.0"),
    ("an index of a kind that Ditto lacks", lambda c: c["indexes"].update(orders=[{"note": "text"}]), "at indexes.orders.0.note"),
    ("unknown key", lambda c: c["devices"][1].update(writes={}), "at devices.1.writes: there is no such key"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_invalid_file_is_one_error(tmp_path: Path, change: Callable[[Any], object], message: str) -> None:
    """The line has file and line number; for content shared by an anchor it is that of the first device."""
    (tmp_path / "config").mkdir()
    path = tmp_path / "config" / SUBSCRIPTIONS_FILE
    path.write_text(edited(change), encoding="utf-8")
    with pytest.raises(ConfigurationError) as raised:
        load_subscriptions(Model(tmp_path, {}))
    line = str(raised.value)
    assert message in line
    assert int(line.removeprefix(f"{path}:").split(":")[0]) >= 1
    assert "\n" not in line


def test_error_has_the_line_of_the_query(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    path = tmp_path / "config" / SUBSCRIPTIONS_FILE
    path.write_text(
        SHIPPED.replace("FROM inventory WHERE store_id IN :store_ids", "FROM inventory LIMIT 1"), encoding="utf-8"
    )
    line = next(n for n, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if 'LIMIT 1"' in text)
    with pytest.raises(
        ConfigurationError, match=rf"{SUBSCRIPTIONS_FILE}:{line}: at devices\.4\.subscriptions\.2\.query: "
    ):
        load_subscriptions(Model(tmp_path, {}))
