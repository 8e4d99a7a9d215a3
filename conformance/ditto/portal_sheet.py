"""The entries for the form of Ditto's portal, as one page of text in the order of the form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from conformance.ditto.connector import CONNECTOR_FILE
from conformance.ditto.manifest import Bridged, Plan

#: The portal's name of each way to make Ditto's _id.
_ID_MAPPING: Final = {"match_ids": "Match IDs", "single_field": "Single field", "multiple_fields": "Multiple fields"}


def portal_sheet(plan: Plan) -> str:
    """Return the page."""
    return "\n".join(_lines(plan)) + "\n"


def _lines(plan: Plan) -> Iterator[str]:
    yield "Ditto portal: MongoDB Connector"
    yield f"Printed by `zava connector portal` from config/{CONNECTOR_FILE}. Enter the values in this order."
    yield ""
    yield "1. Connection string   mongodb+srv://... of the connector's user. The portal accepts SRV addresses only."
    yield f"2. Database            {plan.database}"
    yield f"3. Collections         {len(plan.collections)}, each with its ID mapping and initial sync:"
    yield ""
    width = max(len("collection"), *map(len, plan.collections))
    mappings = {name: _mapping(each) for name, each in plan.collections.items()}
    column = max(len("ID mapping"), *map(len, mappings.values()))
    yield f"   {'collection':{width}}  {'ID mapping':{column}}  initial sync"
    for name, each in plan.collections.items():
        yield f"   {name:{width}}  {mappings[name]:{column}}  {'on' if each.initial_sync else 'off'}"
    if plan.excluded:
        yield ""
        yield f"Do not add: {', '.join(plan.excluded)}."
    yield ""
    yield "Strict mode and mode are not documented as fields of the form. Ask Ditto to set them if the form lacks them:"
    for strict in (False, True):
        yield from _of_mode(plan, "native", strict, f"native, strict mode {'on' if strict else 'off'}")
    yield from _of_mode(plan, "ejson", False, "ejson (strict mode is off)")


def _mapping(bridged: Bridged) -> str:
    fields = ", ".join(bridged.mapping.fields)
    return _ID_MAPPING[bridged.mapping.mode] + (f": {fields}" if fields else "")


def _of_mode(plan: Plan, mode: str, strict: bool, title: str) -> Iterator[str]:
    names = [name for name, each in plan.collections.items() if (each.mode, each.strict_mode) == (mode, strict)]
    if names:
        yield f"   {title}: {', '.join(names)}"
