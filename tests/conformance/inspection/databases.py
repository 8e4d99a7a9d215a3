"""Databases without a model, in the shapes of public ones, small enough to count by hand."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from bson import Binary, Decimal128, Int64, ObjectId, Regex
from pymongo.database import Database

Documents = Mapping[str, list[dict[str, Any]]]

#: The form of a password hash of bcrypt.
_HASH: Final = "$2b$12$" + "Ab9/" * 13 + "Q"
_EPOCH: Final = dt.datetime(2015, 8, 26, 0, 3, 45, 693000, tzinfo=dt.UTC)


def _oid(kind: int, number: int) -> ObjectId:
    return ObjectId(f"{kind:08x}{number:016x}")


def films() -> Documents:
    """Films with arrays, dates and GeoJSON; their comments, users and theaters."""
    movies: list[dict[str, Any]] = [
        {
            "_id": _oid(1, n),
            "title": f"Film number {n}",
            "genres": ["Short", "Western"][: n % 3],
            "cast": ["A. C. Abadie", "Gilbert M. Anderson"],
            "year": 1903 + n if n % 10 else f"{1903 + n}è",
            "released": _EPOCH + dt.timedelta(days=n),
            "awards": {"wins": n, "nominations": 0, "text": f"{n} wins."},
            "rated": None if n < 4 else "TV-G",
            "imdb": {"rating": 7.4 if n else "", "votes": 9847, "id": 439 + n},
            "tomatoes": {"viewer": {"rating": float("nan") if n == 7 else 3.7}},
            "lastupdated": "2015-08-26 00:03:45.693000000" if n else "26.08.2015",
        }
        for n in range(30)
    ]
    users = [
        {"_id": _oid(2, n), "name": f"Ned {n}", "email": f"user{n}@example.org",
         "password": _HASH}
        for n in range(12)
    ]  # fmt: skip
    comments = [
        {"_id": _oid(3, n), "name": f"Ned {n % 12}", "email": f"user{n % 12}@example.org",
         "movie_id": _oid(1, n % 30) if n != 5 else _oid(9, 9), "text": "Rem officiis.", "date": _EPOCH}
        for n in range(60)
    ]  # fmt: skip
    theaters = [
        {"_id": _oid(4, n), "theaterId": 1000 + n,
         "location": {"address": {"street1": "340 W Market", "zipcode": f"{55425 + n}"},
                      "geo": {"type": "Point", "coordinates": [-93.24, 44.85]}}}
        for n in range(8)
    ]  # fmt: skip
    return {"movies": movies, "users": users, "comments": comments, "theaters": theaters}


def bank() -> Documents:
    """Bank accounts with a duplicate account_id, customers with maps of objects, transactions with decimals."""
    accounts = [
        {
            "_id": _oid(1, n),
            "account_id": 371138 + n,
            "limit": 9000 + n % 3,
            "products": ["Derivatives", "InvestmentStock"],
        }
        for n in range(99)
    ]
    accounts.append({"_id": _oid(1, 99), "account_id": 371138, "limit": 10000, "products": ["Commodity"]})
    customers = [
        {
            "_id": _oid(2, n),
            "username": f"fmiller{n}",
            "birthdate": _EPOCH,
            "email": f"arroyo{n}@example.com",
            "active": True,
            "accounts": [371138 + 2 * n, 371138 + 2 * n + 1],
            "tier_and_details": {
                f"{n:02x}{k}df078f33aa74a2e9696e0520c1a828a"[:32]: {"tier": "Bronze", "benefits": ["sports tickets"]}
                for k in range(n % 3)
            },
        }
        for n in range(40)
    ]
    transactions = [
        {
            "_id": _oid(3, n),
            "account_id": 371138 + n if n < 20 else 999999,
            "transaction_count": 1,
            "transactions": [{"date": _EPOCH, "amount": 7514, "price": f"{n}.5", "total": Decimal128("1.50")}],
        }
        for n in range(21)
    ]
    return {"accounts": accounts, "customers": customers, "transactions": transactions}


def restaurants() -> Documents:
    """Restaurants with mixed types and names with blanks; neighborhoods as GeoJSON."""
    listed = [
        {
            "_id": _oid(1, n),
            "restaurant_id": str(30075445 + n),
            "name": f"Morris Park Bake Shop {n}",
            "URL": "http://www.just-eat.example/restaurants",
            "outcode": "BS1",
            "rating": 5.5 if n % 5 else "Not yet rated",
            "type of food": "Bakery",
            "address": {"building": str(1000 + n), "coord": [-73.85, 40.84], "zipcode": "10462"},
            "grades": [{"date": _EPOCH, "grade": "A", "score": n if n else None}],
        }
        for n in range(25)
    ]
    areas = [{"_id": _oid(2, n), "name": f"Area {n}", "geometry": {"type": "Polygon", "coordinates": [[[0.1, 0.2]]]}}
             for n in range(5)]  # fmt: skip
    return {"restaurants": listed, "neighborhoods": areas}


def kitchen() -> Documents:
    """A kitchen display: ids of several fields, keys with dots, a category tree, several BSON types devices lack."""
    orders = [
        {
            "_id": {"id": f"order-{n}", "locationId": "00001" if n % 2 else "00002"},
            "saleItemIds": {f"2023-01-0{k + 1}T10:00:00.000Z_{n}": f"0000{k + 1}" for k in range(2)},
            "status": n % 5,
            "total": Int64(2**60) if n == 3 else n,
            "createdOn": f"2023-01-02T10:00:{n:02}Z",
            "note": Regex("^a") if n == 1 else "",
            "ticket": Binary(b"\x00\x01") if n < 2 else "t",
            "__v": 0,
        }
        for n in range(10)
    ]
    categories = [
        {"_id": f"cat-{n}", "name": f"Category {n}" if n else "Cat\u200begory",
         "parent_id": f"cat-{(n - 1) // 2}" if n else None,
         "device": str(uuid.UUID(int=n)), "deleted": n == 4}
        for n in range(9)
    ]  # fmt: skip
    items = [
        {"_id": f"item-{n}", "categoryId": f"cat-{n % 9}", "price.usd": 1.5, "apiKey": f"key {n}", "isDeleted": False}
        for n in range(12)
    ]
    return {"Orders-2023": orders, "categories": categories, "sale.items": items}


def stores() -> Documents:
    """Stores with nulls, sales that refer to them by name only, and embedded customers."""
    places = [
        {
            "_id": n,
            "code": f"S{n:03}",
            "city": None if n % 4 == 0 else "Austin",
            "closed_at": None,
            "phone": f"555010{n:02}",
        }
        for n in range(16)
    ]
    sales = [
        {"_id": _oid(1, n), "saleDate": _EPOCH, "storeLocation": "Denver", "store": n % 16, "couponUsed": n % 2 == 0,
         "items": [{"name": "printer paper", "tags": ["office"], "price": Decimal128("40.01"), "quantity": 2}],
         "customer": {"gender": "M", "age": 42, "email": f"cauho{n}@example.com", "satisfaction": None if n < 3 else 4}}
        for n in range(50)
    ]  # fmt: skip
    return {"stores": places, "storeSales2": sales}


ALL: Final[Mapping[str, Callable[[], Documents]]] = {
    "films": films,
    "bank": bank,
    "restaurants": restaurants,
    "kitchen": kitchen,
    "stores": stores,
}


def fill(database: Database[dict[str, Any]], documents: Documents) -> None:
    """Insert the documents of every collection."""
    for name, listed in documents.items():
        database[name].insert_many(listed)
