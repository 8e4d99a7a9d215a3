"""Reading config/: each file strictly, then every name in it against the model."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from conformance.config.acceptance import SeverityOverride, Waiver
from conformance.config.configuration import Configuration, GenerationFile, NamedQuery, RulesFile
from conformance.config.renamed_keys import with_new_names
from conformance.config.unknown_names import check_names
from conformance.files.strict_files import parse_file
from conformance.model.collection import Model


def load_configuration(model: Model, constants: Mapping[str, str]) -> Configuration:
    """Read the model's config/; a missing file means there is nothing of its kind.

    ``constants`` (Settings.constants()) are what formulas may name in capitals, beside LATEST_DATE. Raises
    ConfigurationError, one line, when a file is malformed or its rows and fields are not those of the model.
    """
    configuration = Configuration(
        generation=_parse(GenerationFile, model.config("generation.yaml"), {}),
        rules=_parse(RulesFile, model.config("rules.yaml"), {}),
        queries=_parse(tuple[NamedQuery, ...], model.config("queries.yaml"), ()),
        catalogue=_parse(dict[str, tuple[dict[str, Any], ...]], model.config("catalogue.yaml"), {}),
        constants=_with_latest_date(constants),
        severities=_parse(tuple[SeverityOverride, ...], model.config("severity.yaml"), ()),
        waivers=_parse(tuple[Waiver, ...], model.config("waivers.yaml"), ()),
    )
    check_names(model, configuration)
    return configuration


def _with_latest_date(constants: Mapping[str, str]) -> dict[str, str]:
    """Return the constants with LATEST_DATE: END_DATE, or tomorrow (UTC) where that is later.

    Generated data may lie in the future, up to END_DATE; a live shop may go on after it. A day is left for clocks that
    are ahead. It is not among the settings, because the generated dataset does not depend on the day of the run.
    """
    tomorrow = (dt.datetime.now(dt.UTC) + dt.timedelta(days=1)).date().isoformat()
    return {**constants, "LATEST_DATE": max(constants.get("END_DATE", tomorrow), tomorrow)}


def _parse(kind: Any, path: Path, empty: Any) -> Any:
    return parse_file(kind, path, with_new_names) if path.exists() else TypeAdapter(kind).validate_python(empty)
