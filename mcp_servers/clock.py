"""The date, which a model does not know by itself."""

from __future__ import annotations

import datetime as dt

from pydantic import BaseModel, Field


class Now(BaseModel):
    """The present moment in UTC."""

    date: str = Field(description="YYYY-MM-DD.")
    time: str = Field(description="YYYY-MM-DDTHH:MM:SSZ, as dates are written in every collection.")


def get_current_utc_date() -> Now:
    """Say the current date and time in UTC. Ask it before you work with 'today', 'this month' or 'last year'."""
    now = dt.datetime.now(dt.UTC)
    return Now(date=f"{now:%Y-%m-%d}", time=f"{now:%Y-%m-%dT%H:%M:%SZ}")
