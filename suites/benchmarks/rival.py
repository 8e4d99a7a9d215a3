"""The rival of the rules: what a data engineer would write instead, with pymongoarrow and Polars.

It reads the synced collections into columns and checks references, unique fields, copies and totals (rival.yaml). It
checks no types, no unknown fields and no soft deletion, and names no document that is wrong.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import yaml
from pymongo.database import Database
from pymongoarrow.api import Schema, find_polars_all


def problems(database: Database[Any]) -> dict[str, int]:
    """Return how many problems each check found."""
    plan = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
    kinds = dict.fromkeys(plan["integers"], pa.int64()) | dict.fromkeys(plan["numbers"], pa.float64())
    frames = {
        name: find_polars_all(
            database[name], {}, schema=Schema({field: kinds.get(field, pa.string()) for field in fields})
        )
        for name, fields in plan["columns"].items()
    }
    found = {f"unique {name}.{key}": int(frames[name][key].is_duplicated().sum()) for name, key in plan["unique"]}
    for child, field, parent, key in plan["references"]:
        orphans = frames[child].join(frames[parent], left_on=field, right_on=key, how="anti")
        found[f"reference {child}.{field}"] = orphans.height
    for child, key, parent, copies in plan["copies"]:
        sources = [pl.sql_expr(source).alias(f"of {field}") for field, source in copies.items()]
        joined = frames[child].join(frames[parent].select(pl.col(key), *sources), on=key)
        for field in copies:
            found[f"copy {child}.{field}"] = joined.filter(pl.col(field) != pl.col(f"of {field}")).height
    return found | totals(frames, plan["totals"])


def totals(frames: dict[str, pl.DataFrame], plan: dict[str, Any]) -> dict[str, int]:
    """Return how many parents have each total wrong."""
    sums = (pl.sql_expr(sum_of).alias(name) for name, sum_of in plan["sums"].items())
    lines = frames[plan["child"]].group_by(plan["key"]).agg(*sums)
    joined = frames[plan["parent"]].join(lines, on=plan["key"], how="left")
    return {f"total {name}": joined.filter(pl.sql_expr(wrong)).height for name, wrong in plan["wrong"].items()}
