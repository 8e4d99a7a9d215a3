"""Arguments that several tools take: days of the calendar, a store, a number of rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Annotated, Any

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import AfterValidator, Field


def _day(text: str) -> str:
    """Return a day as it was written: YYYY-MM-DD, of the calendar."""
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        raise ValueError("is not a day of the calendar; write YYYY-MM-DD") from None
    return text


#: A day that exists; its form is in the schema, for the assistant to read.
Day = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"), AfterValidator(_day)]
FirstDay = Annotated[Day | None, Field(description="First day, YYYY-MM-DD, UTC; without it from the start.")]
LastDay = Annotated[Day | None, Field(description="Last day, included; without it to the end.")]
StoreId = Annotated[str | None, Field(max_length=64, description="Only this store, such as store_seattle.")]
MaxRows = Annotated[int, Field(ge=1, le=1000, description="At most so many rows.")]


def period(start: str | None, end: str | None) -> dict[str, Any]:
    """Return the condition on order_date for a range of days. Raises ToolError when it is reversed."""
    bounds = dict(_bounds(start, end))
    return {"order_date": bounds} if bounds else {}


def _bounds(start: str | None, end: str | None) -> Iterator[tuple[str, str]]:
    if start is not None and end is not None and start > end:
        raise ToolError(f"start_date {start} is after end_date {end}; exchange them")
    if start is not None:
        yield "$gte", f"{start}T00:00:00Z"
    if end is not None:
        yield "$lte", f"{end}T23:59:59Z"
