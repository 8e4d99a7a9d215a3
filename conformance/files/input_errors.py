"""Messages for pydantic's errors in the project's own words, chosen by the type of the error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_KEYS_AND_VALUES: Final = "write keys with their values"
_WORDS: Final[Mapping[str, str]] = {
    "bool_parsing": "write true or false",
    "bool_type": "write true or false",
    "date_from_datetime_parsing": "write a date as YYYY-MM-DD",
    "date_parsing": "write a date as YYYY-MM-DD",
    "date_type": "write a date as YYYY-MM-DD",
    "dataclass_type": _KEYS_AND_VALUES,
    "dict_type": _KEYS_AND_VALUES,
    "finite_number": "write a finite number",
    "float_parsing": "write a number",
    "float_type": "write a number",
    "greater_than": "write a number greater than {gt}",
    "greater_than_equal": "write a number greater than or equal to {ge}",
    "int_from_float": "write a whole number",
    "int_parsing": "write a whole number",
    "int_parsing_size": "write a smaller whole number",
    "int_type": "write a whole number",
    "less_than": "write a number less than {lt}",
    "less_than_equal": "write a number less than or equal to {le}",
    "list_type": "write a list",
    "mapping_type": _KEYS_AND_VALUES,
    "missing": "is missing; write it",
    "missing_argument": "is missing; write it",
    "model_attributes_type": _KEYS_AND_VALUES,
    "model_type": _KEYS_AND_VALUES,
    "none_required": "leave it out",
    "string_pattern_mismatch": "write text that matches {pattern}",
    "string_too_long": "write at most {max_length} characters",
    "string_too_short": "write at least {min_length} character(s)",
    "string_type": "write text",
    "too_long": "write at most {max_length} of them",
    "too_short": "write at least {min_length} of them",
    "tuple_type": "write a list",
    "unexpected_keyword_argument": "there is no such argument; remove it",
    "extra_forbidden": "there is no such key; remove it or correct its spelling",
}


def input_problem(error: Mapping[str, Any]) -> str:
    """Return what to write instead, for one of the errors of a ValidationError; for a validator of ours, what it says.

    Raise nothing: a type that is not known here is named as it is.
    """
    kind, context = str(error["type"]), error.get("ctx", {})
    if isinstance(context.get("error"), Exception):
        return str(context["error"])
    if kind in ("literal_error", "enum"):
        return f"write one of {context['expected']}"
    words = _WORDS.get(kind)
    return words.format(**context) if words else f"is not what is expected here ({kind})"
