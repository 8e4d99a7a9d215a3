"""The functions of Ditto's engine (SDK 5.2.0.dev0), as tried on it; tests/conformance/language compares the list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

AGGREGATES: Final = frozenset({"avg", "count", "max", "median", "min", "sum"})
_ANY: Final = 1_000
#: By the fewest and the most arguments.
_BY_ARGUMENTS: Final[Mapping[tuple[int, int], str]] = {
    (0, 2): "clock",
    (1, 1): (
        "abs acos array_length array_reverse array_sort asin atan avg byte_length ceil char_length character_length cos"
        " degrees floor is_boolean is_number is_string ismissing isnull json_type length lower max median min"
        " object_keys object_length object_values radians sin sum tan trim type upper position"
    ),
    (0, 1): "count",
    (1, 2): "date_cast ltrim round rtrim tz_offset",
    (1, 3): "substring",
    (1, _ANY): "coalesce ifmissing ifmissingornull ifnull",
    (2, 2): (
        "array_contains array_flatten array_position atan2 date_part date_trunc ends_with missingif nullif object_field"
        " repeat split starts_with"
    ),
    (2, 3): "date_format lpad nvl regexp_like rpad substr",
    (2, _ANY): "array_append array_concat array_intersect array_remove concat contains object_concat",
    (3, 3): "date_diff",
    (3, 5): "date_add date_sub",
    (3, _ANY): "array_insert decode",
}
#: Fewest and most arguments of each function.
ARGUMENTS: Final[Mapping[str, tuple[int, int]]] = {
    name: bounds for bounds, names in _BY_ARGUMENTS.items() for name in names.split()
}


def wrong_call(name: str, arguments: int) -> str | None:
    """Return why the engine refuses a call with so many arguments; None where it takes it."""
    if name not in ARGUMENTS:
        return f"DQL has no function {name}(); use one of Ditto's own, or compute it in the app"
    least, most = ARGUMENTS[name]
    if least <= arguments <= most:
        return None
    wanted = f"{least}" if least == most else f"{least} or more" if most == _ANY else f"{least} to {most}"
    return f"{name}() has {arguments} argument(s); write {wanted}"
