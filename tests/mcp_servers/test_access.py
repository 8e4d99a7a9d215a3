"""Sign-in over HTTP and stdio: each caller sees only their own data."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import pytest

from tests.mcp_servers.callers import COUNT, HEADER, STORE, UNKNOWN, counts
from tests.mcp_servers.shop import (
    SUPER_MANAGER,
    TOKEN,
    Assistant,
    Mongo,
    by_http,
    by_stdio,
    serving,
    store_of,
)

pytest_plugins = ["tests.mcp_servers.shop"]


PRODUCT = "prod_pt-dr-0002"


def asked(kind: str) -> dict[str, dict[str, Any]]:
    """Return a call of every tool of a server, apart from the date."""
    analysis = {
        "run_aggregation": COUNT,
        "sales_by_store": {},
        "sales_by_month": {},
        "top_products": {"start_date": "2020-01-01", "end_date": "2026-12-31"},
        "low_stock": {"max_rows": 1000},
        "customer_lifetime_value": {},
        "get_collection_schemas": {},
    }
    sales = {
        "get_products_by_name": {"product_name": "e"},
        "semantic_search_products": {"query_description": "drill"},
        "get_product_availability": {"product_id": PRODUCT},
        "get_customer_orders": {"customer_id": "cust_0000001"},
    }
    return analysis if kind == "sales-analysis" else sales


def seen(assistant: Assistant, kind: str) -> dict[str, Any]:
    """Return the answers of every tool of a server, apart from the date."""
    wanted = asked(kind)
    found = assistant.calls(*wanted.items())
    assert not any(result.is_error for result in found), found
    return {name: result.structured_content for name, result in zip(wanted, found, strict=True)}


def errors(assistant: Assistant, kind: str) -> list[str]:
    """Return the errors of every tool of a server, and assert that each answer is an error."""
    found = assistant.calls(*asked(kind).items())
    assert all(result.is_error and result.structured_content is None for result in found), found
    return [result.content[0].text for result in found]  # type: ignore[union-attr]


# Over HTTP: the header of each request


@pytest.mark.parametrize("kind", ["customer-sales", "sales-analysis"])
@pytest.mark.parametrize(
    "headers",
    [
        (),
        ((HEADER, ""),),
        ((HEADER, UNKNOWN),),
        ((HEADER, "not a uuid"),),
        ((HEADER, SUPER_MANAGER), (HEADER, SUPER_MANAGER)),
        ((HEADER, f"{UNKNOWN}, {SUPER_MANAGER}"),),
        (("rls_user_id", SUPER_MANAGER), ("x-rls-user-id2", SUPER_MANAGER), ("cookie", f"{HEADER}={SUPER_MANAGER}")),
    ],
    ids=["none", "empty", "unknown", "malformed", "twice", "two in one", "elsewhere"],
)
def test_http_request_without_a_user_is_rejected(
    customer_sales: str, sales_analysis: str, kind: str, headers: tuple[tuple[str, str], ...]
) -> None:
    """The server's own environment names the super manager, and the gateway's token is correct."""
    url = {"customer-sales": customer_sales, "sales-analysis": sales_analysis}[kind]
    for message in errors(by_http(url, *headers), kind):
        assert "not signed in: the header x-rls-user-id" in message
        assert SUPER_MANAGER not in message


def test_store_sees_only_its_own_data_over_http(sales_analysis: str, customer_sales: str, shop: Mongo) -> None:
    me = (HEADER, store_of(shop, STORE))
    shown = seen(by_http(sales_analysis, me), "sales-analysis")
    assert shown["run_aggregation"]["rows"] == counts(shop, STORE)
    assert [row["store_id"] for row in shown["sales_by_store"]["stores"]] == [STORE]
    assert {row["store_id"] for row in shown["low_stock"]["shelves"]} == {STORE}
    places = by_http(customer_sales, me).answer("get_product_availability", product_id=PRODUCT)
    assert [place["store_id"] for place in places["stores"]] == [STORE]


def test_orders_of_another_store_are_not_shown(customer_sales: str, shop: Mongo) -> None:
    order = shop["orders"].find_one({"store_id": {"$ne": STORE}, "deleted": False})
    assert order is not None
    ask = {"customer_id": order["customer_id"], "max_rows": 100}
    mine = by_http(customer_sales, (HEADER, store_of(shop, STORE))).answer("get_customer_orders", **ask)
    all_of_them = by_http(customer_sales, (HEADER, SUPER_MANAGER)).answer("get_customer_orders", **ask)
    assert order["order_id"] in {each["order_id"] for each in all_of_them["orders"]}
    assert [each["order_id"] for each in mine["orders"]] == [
        each["order_id"] for each in all_of_them["orders"] if each["store_id"] == STORE
    ]


def test_store_requested_by_name_is_not_shown(sales_analysis: str, shop: Mongo) -> None:
    mine = by_http(sales_analysis, (HEADER, store_of(shop, STORE)))
    assert mine.answer("low_stock", store_id="store_seattle") == {"shelves": [], "truncated": False}
    assert mine.answer("sales_by_month", store_id="store_seattle") == {"months": []}


def test_super_manager_sees_all_data_over_http(sales_analysis: str, shop: Mongo) -> None:
    everyone = by_http(sales_analysis, (HEADER, SUPER_MANAGER))
    assert everyone.answer("run_aggregation", **COUNT)["rows"] == counts(shop)
    assert len(everyone.answer("sales_by_store")["stores"]) == 8


def test_callers_are_isolated_from_each_other(sales_analysis: str, shop: Mongo) -> None:
    for user_id, stores in ((SUPER_MANAGER, ()), (UNKNOWN, None), (store_of(shop, STORE), (STORE,)), (None, None)):
        caller = by_http(sales_analysis, *(() if user_id is None else ((HEADER, user_id),)))
        if stores is None:
            assert "not signed in" in caller.error("run_aggregation", **COUNT)
        else:
            assert caller.answer("run_aggregation", **COUNT)["rows"] == counts(shop, *stores)


def status(url: str, *headers: tuple[str, str]) -> tuple[int, str]:
    """Return the HTTP status and the body that a request without a client library gets."""
    place = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=10)
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
    connection.putrequest("POST", place.path)
    for name, value in (
        ("Content-Type", "application/json"),
        ("Accept", "application/json, text/event-stream"),
        ("Content-Length", str(len(body))),
        *headers,
    ):
        connection.putheader(name, value)
    connection.endheaders(body.encode())
    answer = connection.getresponse()
    try:
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize(
    "shown",
    [
        (),
        ("Bearer b",),
        (TOKEN,),
        ("Bearer",),
        ("Bearer ",),
        (f"bearer {TOKEN}",),
        (f"Bearer {TOKEN} ", f"Bearer {TOKEN}"),
        (f"Bearer {TOKEN}{TOKEN}",),
        ("Bearer ä",),
    ],
    ids=["missing", "wrong", "bare", "no token", "empty token", "another scheme", "twice", "longer", "not ASCII"],
)
def test_wrong_gateway_token_is_rejected(sales_analysis: str, shown: tuple[str, ...]) -> None:
    code, message = status(sales_analysis, (HEADER, SUPER_MANAGER), *(("authorization", each) for each in shown))
    assert code == 401
    assert message == "authorization: the gateway's token is missing or wrong; send 'Bearer <MCP_GATEWAY_TOKEN>' once"


def test_correct_gateway_token_is_accepted(sales_analysis: str) -> None:
    assert status(sales_analysis, ("authorization", f"Bearer {TOKEN}"))[0] != 401


def test_super_manager_without_a_gateway_is_rejected(shop: Mongo, shop_uri: str) -> None:
    """The super manager's id is in the documentation, and every user of the machine can send a header."""
    with serving("sales-analysis", shop, shop_uri, token=None) as url:
        for message in errors(by_http(url, (HEADER, SUPER_MANAGER), token=None), "sales-analysis"):
            assert "the super manager's id is believed from a gateway only; the server has no gateway token" in message
        me = by_http(url, (HEADER, store_of(shop, STORE)), token=None)
        assert me.answer("run_aggregation", **COUNT)["rows"] == counts(shop, STORE)


@pytest.mark.parametrize(
    ("header", "value", "code"), [("Host", "evil.example", 421), ("Origin", "http://evil.example", 403)]
)
def test_request_of_a_foreign_web_page_is_rejected(sales_analysis: str, header: str, value: str, code: int) -> None:
    """With DNS rebinding, a web page could make a browser on this machine send requests."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).encode()
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", header: value}
    headers["Authorization"] = f"Bearer {TOKEN}"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(sales_analysis, body, headers))  # noqa: S310 - our own server
    assert refused.value.code == code
    refused.value.close()


# Over stdio: the process's environment


@pytest.mark.parametrize("kind", ["customer-sales", "sales-analysis"])
def test_stdio_session_without_a_user_is_rejected(kind: str, shop: Mongo, shop_uri: str) -> None:
    for message in errors(by_stdio(kind, shop, shop_uri), kind):
        assert "not signed in: RLS_USER_ID is missing" in message


def test_store_sees_only_its_own_data_over_stdio(shop: Mongo, shop_uri: str) -> None:
    me = by_stdio("sales-analysis", shop, shop_uri, RLS_USER_ID=store_of(shop, STORE))
    assert me.answer("run_aggregation", **COUNT)["rows"] == counts(shop, STORE)
