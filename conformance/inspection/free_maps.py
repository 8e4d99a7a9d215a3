"""Find maps whose keys are data (ids, days, prices), so that their values are reported as one path, not as hundreds."""

from __future__ import annotations

import re
from typing import Final

from conformance.inspection.profile import Profile

#: Names that are data: digits, hexadecimal ids, UUIDs, dates, addresses, anything with a dot or an @.
_DATA: Final = re.compile(
    r"[0-9]+|[0-9a-fA-F]{16,}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9]{4}-[0-9]{2}(?:-[0-9]{2}.*)?"
    r"|[^.@]*[.@].*"
)
#: Names from which on a map may be free although they look like words, if each is rare.
_MANY: Final = 20
_RARE: Final = 0.5


def join_free_maps(profile: Profile) -> None:
    """Join the fields of every object below a path (not of the documents themselves) whose names are data."""
    for below in list(profile.below()):
        if below.fields and _has_data_names(below):
            below.join_fields()
        join_free_maps(below)


def _has_data_names(profile: Profile) -> bool:
    names = list(profile.fields)
    if len(names) > 1 and all(map(_DATA.fullmatch, names)):
        return True
    nested = {bool(each.fields or each.elements or each.values) for each in profile.fields.values()}
    rare = _RARE * profile.types["object"]
    return len(names) >= _MANY and len(nested) == 1 and all(each.count <= rare for each in profile.fields.values())
