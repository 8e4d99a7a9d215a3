"""zava add-product: a product with its embedding and its place in every store, or nothing at all.

Zava's own: that a product comes with one document of product_embeddings and one of inventory for each store is known
here; everything else about them is the model's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pymongo.database import Database

from conformance.errors import ConfigurationError
from conformance.extras import require
from conformance.files.strict_files import read_json
from conformance.model.collection import Model
from conformance.model.embedding import embedded_paths
from conformance.run.session import Project
from conformance.text.rendering import shorten
from generator import addition, dataset
from generator.columns.batch import Document
from generator.embeddings.azure_openai import embedder_for
from generator.embeddings.embedded_text import vectors_of
from generator.source import Row, check_rows
from zava.terminal.console import Embedded, Json, Uri, notice, opened, project_of, require_collections

#: Location of a product without a given place.
_UNPLACED: Final = "unplaced"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("add-product")(add_product)


def add_product(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(help="JSON file with the product's fields and, optionally, `inventory` by store.")
    ] = None,
    uri: Uri = None,
    embedded: Embedded = False,
    sku: Annotated[str | None, typer.Option(help="Stock keeping unit.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the product.")] = None,
    type_id: Annotated[str | None, typer.Option("--type", help="Product type, for example type_drills.")] = None,
    cost: Annotated[float | None, typer.Option(help="Cost of the product; the price is computed from it.")] = None,
    description: Annotated[str | None, typer.Option(help="Description of the product.")] = None,
    image_url: Annotated[str | None, typer.Option(help="Address of an image of the product.")] = None,
    stock: Annotated[int, typer.Option(help="Pieces in each store that the file does not name.", min=0)] = 0,
    aisle: Annotated[str, typer.Option(help="Aisle in those stores.")] = _UNPLACED,
    shelf: Annotated[str, typer.Option(help="Shelf in those stores.")] = _UNPLACED,
    as_json: Json = False,
) -> None:
    """Add one product, with its embedding and its stock in every store; all of it is checked first.

    Example: zava add-product --sku PT-DR-0099 --name "Mini Drill" --type type_drills --cost 24.9 --description "Small."
    """
    options = {
        "sku": sku,
        "product_name": name,
        "type_id": type_id,
        "cost": cost,
        "product_description": description,
        "image_url": image_url,
    }
    product = {key: value for key, value in options.items() if value is not None}
    if (file is None) == (not product):
        raise ConfigurationError("give the product in a file or by options such as --sku, one of the two")
    require("generate")
    project = project_of(context)
    require_collections(
        project, "add-product", ("products", "product_types", "product_embeddings", "inventory", "stores")
    )
    place, content = (str(file), read_json(file)) if file is not None else ("the options", product)
    elsewhere = {"stock_level": stock, "location": {"aisle": aisle, "shelf": shelf}}
    with opened(project, uri, embedded) as target, dataset.alone(target, notice):
        dataset.refuse_foreign(project.model, target)
        target.require_replica_set()
        made = compose(project, target.database, place, content, elsewhere)
        for line in addition.check(project.model, project.rules, target.database["product_types"], made):
            notice(f"warning: {line}")
        addition.insert(target.database, made)
        _tell_of_counts(project.model, target.database)
    product = made["products"][0]
    if as_json:
        typer.echo(json.dumps({"product": product, "counts": {name: len(found) for name, found in made.items()}}))
    else:
        typer.echo(f"{product['product_id']}: {product['product_name']} at {product['base_price']:.2f}")
        notice(f"with {', '.join(f'{len(found)} of {name}' for name, found in made.items() if name != 'products')}")


def compose(
    project: Project, database: Database[Document], place: str, content: Any, elsewhere: Document
) -> Mapping[str, list[Document]]:
    """Return the product with its embedding and stock, not yet validated."""
    if not isinstance(content, dict):
        raise ConfigurationError(f"{place}: it is not an object; write the product's fields")
    inventory = content.get("inventory", {})
    row = {key: value for key, value in content.items() if key != "inventory"}
    if isinstance(row.get("sku"), str):
        row.setdefault("product_id", f"prod_{row['sku'].lower()}")
    check_rows(project.model["products"], [Row(place, row)])
    missing = next((name for name in ("sku", "type_id") if name not in row), None)
    if missing is not None:
        raise ConfigurationError(f"{place}: {missing} is missing; nothing was written")
    type_ = database["product_types"].find_one({"type_id": row["type_id"], "deleted": {"$ne": True}})
    if type_ is None:
        known = sorted(database["product_types"].distinct("type_id"))
        near = ", ".join(get_close_matches(row["type_id"], known, 3, 0))
        hint = f"did you mean {near}?" if near else "the database has no product types; load them first"
        raise ConfigurationError(f"{place}: there is no product type {shorten(row['type_id'])}; {hint}")
    if row.get("category_id", type_["category_id"]) != type_["category_id"]:
        raise ConfigurationError(f"{place}: category_id: {row['type_id']} is of {type_['category_id']}; leave it out")
    stores = {store["store_id"]: store for store in database["stores"].find({"deleted": {"$ne": True}}).sort("_id", 1)}
    stock = _stock(place, inventory, stores, elsewhere, row["product_id"])
    check_rows(project.model["inventory"], [Row(f"{place}: at inventory.{one['store_id']}", one) for one in stock])
    model, configuration, settings = project.model, project.configuration, project.settings
    parents = {"product_types": [type_], "stores": list(stores.values())}
    product = addition.completed(model, configuration, settings, {"products": [row]}, parents)["products"]
    texts = {path: product[0].get(path.partition(".")[2], "") for path in embedded_paths(model["product_embeddings"])}
    vectors = vectors_of(model["product_embeddings"], embedder_for(settings), [texts])[0]
    rest = {"product_embeddings": [{"product_id": row["product_id"], **vectors}], "inventory": stock}
    others = addition.completed(model, configuration, settings, rest, parents | {"products": product})
    return {"products": product, **others}


def _stock(
    place: str, inventory: Any, stores: Mapping[str, Document], elsewhere: Document, product_id: str
) -> list[Document]:
    """Return what is said of each store, and the same of all those of which nothing is."""
    if not isinstance(inventory, dict) or not all(isinstance(one, dict) for one in inventory.values()):
        raise ConfigurationError(f"{place}: inventory: {shorten(inventory)} is not an object by store")
    unknown = next((store for store in inventory if store not in stores), None)
    if unknown is not None:
        raise ConfigurationError(
            f"{place}: inventory: there is no store {unknown!r}; the stores are {', '.join(stores)}"
        )
    return [{**inventory.get(store, elsewhere), "store_id": store, "product_id": product_id} for store in stores]


def _tell_of_counts(model: Model, database: Database[Document]) -> None:
    wanted = model["products"].cardinality.get("exactly")
    there = database["products"].count_documents({})
    if wanted is not None and there != wanted:
        notice(f"there are {there} products now; zava validate wants {wanted} until schemas/products.json is changed")
