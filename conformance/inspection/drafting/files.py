"""Write a drafted model: schemas/, config/ with the connector's file and empty queries, and INFERRED.md."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import yaml

from conformance.errors import ConfigurationError
from conformance.files.writing import write_text
from conformance.inspection.drafting.draft import Draft
from conformance.model.schemas.loading import load_model

_QUERIES: Final = """# Queries that the apps run in MongoDB, each with the plan that it needs. The data does not
# show them; add yours. For example:
# - name: orders-of-a-customer
#   collection: orders
#   title: The latest orders of a customer
#   parameters: {customer: orders.customer_id}
#   find: {customer_id: $$customer}
#   plan: {require: [IXSCAN], forbid: [COLLSCAN]}
[]
"""
_CONNECTOR: Final = """# Ditto's connector: which collections reach devices, and how MongoDB's _id becomes Ditto's.
# Drafted by zava infer. Secrets stand in the environment or in .env; here are their names only.
"""
_SUBSCRIPTIONS: Final = """# What each kind of device subscribes to. Drafted by zava infer: one device that holds
# everything. Add conditions.
"""


def write_model(drafted: Draft, folder: Path, database: str) -> list[Path]:
    """Load the model, and put it into a folder that has none; ConfigurationError when there is one.

    The files are made beside their place and moved there together: an interrupted run leaves none.
    """
    require_no_model(folder)
    texts = model_files(drafted, database)
    scratch = folder / f".infer-{os.getpid()}"
    try:
        for name, text in texts.items():
            write_text(scratch / name, text)
        load_model(scratch)
        for part in sorted({Path(name).parts[0] for name in texts}):
            (scratch / part).replace(folder / part)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return [folder / name for name in texts]


def require_no_model(folder: Path) -> None:
    """Raise ConfigurationError if the folder has a model already."""
    if (folder / "schemas").exists() or (folder / "config").exists():
        raise ConfigurationError(f"{folder}: has a model already (schemas/ or config/); pass another --output")


def model_files(drafted: Draft, database: str) -> dict[str, str]:
    """Return the drafted model: file contents by path below the model's folder."""
    texts = {f"schemas/{name}.json": _json(schema) for name, schema in drafted.schemas.items()}
    texts["config/ditto_connector_config.yaml"] = _connector(drafted)
    texts["config/queries.yaml"] = _QUERIES
    synced = [name for name, schema in drafted.schemas.items() if schema["x-sync"]["enabled"]]
    if synced:
        texts["config/ditto_subscriptions.yaml"] = _subscriptions(synced)
    return texts | {"INFERRED.md": "\n".join(_inferred(drafted, database))}


def _json(schema: object) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _connector(drafted: Draft) -> str:
    collections = []
    for name, schema in drafted.schemas.items():
        sync = schema["x-sync"]
        mapping = dict(sync.get("id_mapping", {"mode": "match_ids"}))
        if "fields" in mapping:
            mapping["field"] = mapping.pop("fields")[0]
        collections.append({"name": name, "id_mapping": mapping, "sync_enabled": sync["enabled"]})
    content = {
        "connector_version": "1.0",
        "mongodb": {"connection_string": "${MONGODB_CONNECTION_STRING}", "database": "${MONGODB_DATABASE}"},
        "ditto": {
            "app_id": "${DITTO_APP_ID}",
            "api_key": "${DITTO_API_KEY}",
            "endpoint": "https://cloud.ditto.live",
        },
        "collections": collections,
        "settings": {
            "initial_sync": True,
            "strict_mode": False,
            "rate_limit_per_second": 100,
            "batch_size": 1000,
            "retry_strategy": {"max_retries": 3, "backoff_multiplier": 2, "jitter": 0.25},
        },
    }
    written = yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=110)
    return _CONNECTOR + written.replace("'1.0'", "1.0")


def _subscriptions(synced: list[str]) -> str:
    everything = [{"query": f"SELECT * FROM `{name}`", "find": {}} for name in synced]  # noqa: S608 - DQL
    device = {"name": "device", "title": "A device that holds everything", "subscriptions": everything}
    return _SUBSCRIPTIONS + yaml.safe_dump({"devices": [device]}, sort_keys=False)


def open_questions(drafted: Draft) -> Iterator[str]:
    """Yield what the data does not answer, one sentence or two for each point."""
    for name, reason in drafted.left_out.items():
        yield f"`{name}` is not in the model: {reason}."
    for name, notes in drafted.notes.items():
        yield from (f"{name}: {question}" for question in notes.questions)
    if any(schema["x-sync"]["enabled"] for schema in drafted.schemas.values()):
        yield "Who may read and write what on devices? config/ditto_permissions.json is missing."
    unsynced = [name for name, schema in drafted.schemas.items() if not schema["x-sync"]["enabled"]]
    if unsynced:
        yield f"Which of {', '.join(unsynced)} should devices hold? None is synced here; `--sync NAME` drafts it so."
    yield "How many documents should each collection have? Without x-cardinality, any number is right."
    yield "Which queries do the apps run? config/queries.yaml is empty."


def _inferred(drafted: Draft, database: str) -> Iterator[str]:
    yield f"# What was inferred from {database}\n"
    yield "Every choice below follows from the documents of one day; all of them were read, so counts are exact. Answer"
    yield "the open questions first, and correct the schemas. Then write MONGODB_CONNECTION_STRING and"
    yield f"MONGODB_DATABASE={database} into a file .env beside this one, and run `zava validate` here.\n"
    yield "## Open questions\n"
    yield from (f"- {question}" for question in open_questions(drafted))
    yield "\n## Evidence\n"
    for name, notes in drafted.notes.items():
        yield f"### {name}\n\n| choice | evidence |\n|---|---|"
        yield from (f"| `{_cell(choice)}` | {_cell(evidence)} |" for choice, evidence in notes.evidence.items())
        yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
