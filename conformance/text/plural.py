"""A number with its noun."""

from __future__ import annotations


def numbered(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun in the right form ("1 index", "35 indexes"); ``plural`` if it is not noun + s."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
