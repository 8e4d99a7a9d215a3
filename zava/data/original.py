"""The original dataset's two files, as rows of the model's collections.

Zava's own: what stands in reference_data.json and product_data.json, and which fields of which collections it becomes,
is named here and nowhere in the libraries. The files are as the original system's generator reads them:

    {"stores": {NAME: {rls_user_id, customer_distribution_weight, order_frequency_multiplier,
                       order_value_multiplier}}, "year_weights": {YEAR: number}}
    {"main_categories": {CATEGORY: {"washington_seasonal_multipliers": [12 numbers],
                                    TYPE: [{name, sku, price, description, stock_level, image_path,
                                            image_embedding, description_embedding}]}}}

``price`` is what the shop pays. ``stock_level`` is the whole shop's, which the model has no place for: the stock of
each store is generated. What else the files hold is not read, and told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from conformance.config.configuration import Configuration
from conformance.model.collection import Model
from conformance.model.kinds import is_integer
from conformance.text.rendering import shorten
from generator.archive.json_stream import JsonStream
from generator.columns.batch import Document
from generator.source import Row, check_rows, number, refused, vector

REFERENCE_FILE: Final = "reference_data.json"
PRODUCT_FILE: Final = "product_data.json"

#: Collections that the files become, without their vectors.
SOURCE_COLLECTIONS: Final = ("stores", "categories", "product_types", "products")

_SEASONS: Final = "washington_seasonal_multipliers"
_CHAIN: Final = "Zava Retail "
#: Figure of config/generation.yaml: what it is called in a store of the file.
_STORE_FIGURES: Final[Mapping[str, str]] = {
    "store_customer_weight": "customer_distribution_weight",
    "store_order_frequency": "order_frequency_multiplier",
    "store_order_value": "order_value_multiplier",
}
#: Fields of a store that the catalogue has and the file does not.
_SHOP: Final = ("is_online", "location")
_STORE_KEYS: Final = ("rls_user_id", *_STORE_FIGURES.values())
_VECTORS: Final = ("image_embedding", "description_embedding")
_PRODUCT_KEYS: Final = ("name", "sku", "price", "description", "stock_level", "image_path", *_VECTORS)
#: Field of products: the file's name for it.
_PRODUCT_NAMES: Final = {
    "product_id": "sku",
    "product_name": "name",
    "cost": "price",
    "product_description": "description",
    "image_url": "image_path",
}


@dataclass
class Source:
    """The content of both files without vectors: rows by collection, parameters by name, and notices."""

    rows: dict[str, list[Row]] = field(default_factory=dict)
    parameters: dict[str, dict[Any, float]] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Entry:
    """Something come to in the product file: a product, else a type, else (when all of it was read) a category."""

    place: str
    category: str
    seasons: Any = None
    type: str | None = None
    product: Any = None


def read_source(folder: Path, model: Model, configuration: Configuration, images_at: str | None) -> Source:
    """Read both files of a folder. ``images_at`` is the address of the pictures, before each product's image_path.

    ConfigurationError, one line with file, path and reason, for the first thing that is malformed.
    """
    source = Source()
    unread: set[str] = set()
    _read_stores(folder / REFERENCE_FILE, configuration, source, unread)
    _read_products(folder / PRODUCT_FILE, model, images_at, source, unread)
    for name, rows in source.rows.items():
        check_rows(model[name], rows)
    if unread:
        source.notices.append(f"not read, for the model has no place for it: {', '.join(sorted(unread))}")
    return source


def embedding_documents(folder: Path, model: Model, products: Mapping[str, Document]) -> Iterator[Document]:
    """Yield the vectors of the product file as documents, one after another; ``products`` are those made of it, by id.

    Which model made the vectors the file does not say, so the documents do not either.
    """
    collection = model["product_embeddings"]
    for entry in _entries(folder / PRODUCT_FILE):
        if entry.product is None:
            continue
        product = products.get(_product_id(entry.product.get("sku")))
        if product is None:
            raise refused(entry.place, "the file has changed while it was read; run it again")
        vectors = {
            name: vector(collection.field(name), entry.product.get(name), f"{entry.place}.{name}") for name in _VECTORS
        }
        picture = {"image_url": product["image_url"]} if "image_url" in product else {}
        times = {"created_at": product["created_at"], "deleted": False}
        yield {"_id": product["product_id"], "product_id": product["product_id"], **vectors, **picture, **times}


def differing_parameters(source: Source, configuration: Configuration) -> Mapping[str, Mapping[Any, float]]:
    """Return the parameters of the source that config/generation.yaml has not, or has otherwise."""
    known = configuration.generation.parameters
    return {name: table for name, table in source.parameters.items() if known.get(name) != table}


def _read_stores(path: Path, configuration: Configuration, source: Source, unread: set[str]) -> None:
    stream = JsonStream(path)
    catalogue = {row.get("store_id"): row for row in configuration.catalogue.get("stores", ())}
    rows: list[Row] = []
    for name in _STORE_FIGURES:
        source.parameters[name] = {}
    for key in stream.members():
        if key == "stores":
            rows = [_store(stream.place, name, stream.value(), catalogue, source, unread) for name in stream.members()]
        elif key == "year_weights":
            table = source.parameters["year_weights"] = {}
            for year in stream.members():
                if not re.fullmatch("[0-9]{4}", year):
                    raise stream.refused("a year has four digits")
                table[int(year)] = number(stream.place, stream.value())
        else:
            stream.value()
            unread.add(key)
    stream.end()
    if not rows:
        raise refused(f"{path}: at stores", "there is no store")
    source.rows["stores"] = rows


def _store(
    place: str, name: str, values: Any, catalogue: Mapping[Any, Mapping[str, Any]], source: Source, unread: set[str]
) -> Row:
    _check_keys(place, values, _STORE_KEYS, "stores.*", unread)
    store_id = f"store_{_slug(name.removeprefix(_CHAIN))}"
    for figure, key in _STORE_FIGURES.items():
        source.parameters[figure][store_id] = number(f"{place}.{key}", values[key])
    known = catalogue.get(store_id, {})
    online = "online" in name.lower()
    made_up = {"address": "unknown", "city": name.removeprefix(_CHAIN) or "unknown", "state": "WA", "zip": "00000"}
    if not known:
        source.notices.append(f"{name} is not in config/catalogue.yaml: its address is a placeholder")
    own = {"store_id": store_id, "store_name": name, "rls_user_id": values["rls_user_id"]}
    return Row(place, own | {"is_online": online, "location": made_up} | {k: known[k] for k in _SHOP if k in known})


def _read_products(path: Path, model: Model, images_at: str | None, source: Source, unread: set[str]) -> None:
    months = [month.name for month in model["categories"].field("seasonal_multipliers").children]
    categories: list[Row] = []
    types: dict[tuple[str, str | None], Row] = {}
    products: list[Row] = []
    for entry in _entries(path, unread):
        key = (entry.category, entry.type)
        if entry.type is None:
            categories.append(_category(entry, months))
        elif entry.product is None:
            types[key] = _type(entry, {row.values["type_id"] for row in types.values()})
        else:
            _check_keys(entry.place, entry.product, _PRODUCT_KEYS, "main_categories.*.*[]", unread)
            products.append(_product(entry.place, entry.product, types[key].values, images_at))
    if not products:
        raise refused(f"{path}: at main_categories", "there is no product")
    if images_at is None:
        source.notices.append("image_path is omitted; pass --images-at with the base address of the images")
    source.rows |= {"categories": categories, "product_types": list(types.values()), "products": products}


def _entries(path: Path, unread: set[str] | None = None) -> Iterator[_Entry]:
    """Yield what the product file holds, one after another; nothing larger than a product is held."""
    stream = JsonStream(path)
    for key in stream.members():
        if key != "main_categories":
            stream.value()
            if unread is not None:
                unread.add(key)
            continue
        for category in stream.members():
            whole, seasons = stream.place, None
            for name in stream.members():
                if name == _SEASONS:
                    seasons = stream.value()
                    continue
                yield _Entry(stream.place, category, type=name)
                for _ in stream.elements():
                    product = stream.value()
                    if not isinstance(product, dict):
                        raise stream.refused(f"{shorten(product)} is not an object")
                    yield _Entry(stream.place, category, type=name, product=product)
            yield _Entry(whole, category, seasons=seasons)
    stream.end()


def _category(entry: _Entry, months: list[str]) -> Row:
    place = f"{entry.place}.{_SEASONS}"
    if not isinstance(entry.seasons, list) or len(entry.seasons) != len(months):
        raise refused(place, f"{shorten(entry.seasons)} in place of a list of {len(months)} numbers")
    values = {
        "category_id": f"cat_{_slug(entry.category)}",
        "category_name": _title(entry.category),
        "seasonal_multipliers": dict(zip(months, entry.seasons, strict=True)),
    }
    return Row(entry.place, values, {"seasonal_multipliers": _SEASONS})


def _type(entry: _Entry, taken: set[str]) -> Row:
    """Return the type with its category if another category has a type of the same name."""
    name = str(entry.type)
    type_id = f"type_{_slug(name)}"
    if type_id in taken:
        type_id = f"type_{_slug(entry.category)}_{_slug(name)}"
    values = {"type_id": type_id, "type_name": _title(name), "category_id": f"cat_{_slug(entry.category)}"}
    return Row(entry.place, values)


def _product(place: str, product: Mapping[str, Any], its_type: Mapping[str, Any], images_at: str | None) -> Row:
    price, stock, picture = product["price"], product["stock_level"], product["image_path"]
    if type(stock) is not int or stock < 0:
        raise refused(f"{place}.stock_level", f"{shorten(stock)} is not a whole number from 0 on")
    values = {
        "product_id": _product_id(product["sku"]),
        "sku": product["sku"],
        "product_name": product["name"],
        "category_id": its_type["category_id"],
        "type_id": its_type["type_id"],
        "cost": float(price) if type(price) is int and is_integer(price) else price,
        "product_description": product["description"],
    }
    if isinstance(picture, str) and picture.startswith(("http://", "https://")):
        values["image_url"] = picture
    elif isinstance(picture, str) and picture and images_at is not None:
        values["image_url"] = f"{images_at.rstrip('/')}/{quote(picture.lstrip('/'))}"
    elif not isinstance(picture, str):
        raise refused(f"{place}.image_path", f"{shorten(picture)} is not a text")
    return Row(place, values, _PRODUCT_NAMES)


def _check_keys(place: str, values: Any, wanted: tuple[str, ...], every: str, unread: set[str]) -> None:
    """Everything wanted is there; what is there besides is told."""
    if not isinstance(values, dict):
        raise refused(place, f"{shorten(values)} is not an object")
    missing = next((key for key in wanted if key not in values), None)
    if missing is not None:
        raise refused(f"{place}.{missing}", "it is missing")
    unread.update(f"{every}.{key}" for key in values.keys() - set(wanted))


def _product_id(sku: Any) -> str:
    return f"prod_{str(sku).lower()}"


def _slug(name: str) -> str:
    return re.sub("[^a-z0-9]+", "_", name.lower()).strip("_")


def _title(name: str) -> str:
    """Return the title in normal case; the original writes categories and types in capitals."""
    return name.title() if name.isupper() else name
