"""Forms of times: strings compare in the order of time only if all have the same number of digits."""

from __future__ import annotations

from collections.abc import Iterable

from conformance.errors import ConfigurationError
from conformance.model.collection import Field


def require_one_form(fields: Iterable[Field], where: str) -> None:
    """Raise ConfigurationError if times that are compared are of two forms, with and without milliseconds."""
    forms = {field.schema["x-timestamp"]: field.path for field in fields if field.kind == "timestamp"}
    if len(forms) > 1:
        raise ConfigurationError(
            f"{where}: {' and '.join(sorted(forms.values()))} are times of different forms, whose strings do not"
            " compare; give them the same x-timestamp"
        )
