"""Archives that are not imported: damaged, of another schema, or with documents that the validator rejects."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient

from conformance.errors import ConfigurationError
from conformance.results import TargetInfo
from conformance.server.dry_run import misfit
from conformance.server.target import Target
from generator.archive import transfer
from generator.archive.archive import MANIFEST, new_archive, open_archive
from tests.commands import Workplace, state
from tests.generator.archive.exports import FIRST, MODEL, run

pytestmark = pytest.mark.server

pytest_plugins = ["tests.commands"]


Mongo = MongoClient[dict[str, Any]]


@pytest.fixture
def archive(exported: Path, tmp_path: Path) -> Path:
    """Return a copy of the folder, which tests damage."""
    return shutil.copytree(exported, tmp_path / "archive")


# Archives that are not imported


def rewritten(archive: Path, file: str, edit: Callable[[bytes], bytes]) -> None:
    """Return an edit of a file that also updates its hash in the manifest."""
    content = edit((archive / file).read_bytes())
    (archive / file).write_bytes(content)
    manifest = json.loads((archive / MANIFEST).read_text(encoding="utf-8"))
    entry = next(entry for entry in manifest["collections"] if file.startswith(f"{entry['collection']}."))
    entry |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (archive / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")


def changed(archive: Path, file: str, edit: Callable[[bytes], bytes]) -> None:
    (archive / file).write_bytes(edit((archive / file).read_bytes()))


def manifest_edited(archive: Path, **changes: Any) -> None:
    """Return an edit of the manifest."""
    manifest = json.loads((archive / MANIFEST).read_text(encoding="utf-8"))
    (archive / MANIFEST).write_text(json.dumps({**manifest, **changes}), encoding="utf-8")


def entries(archive: Path, **changes: Any) -> None:
    """Return an edit of the manifest's first entry."""
    manifest = json.loads((archive / MANIFEST).read_text(encoding="utf-8"))
    manifest["collections"][0] |= changes
    manifest_edited(archive, collections=manifest["collections"])


ORDERS = "orders.jsonl"
DAMAGE: Mapping[str, tuple[Callable[[Path], Any], str]] = {
    "no manifest": (lambda a: (a / MANIFEST).unlink(), "not a finished export"),
    "manifest cut short": (lambda a: changed(a, MANIFEST, lambda b: b[:-20]), "not valid JSON"),
    "manifest of a later version": (lambda a: manifest_edited(a, schema_version=2), "schema_version"),
    "manifest with an unknown key": (lambda a: manifest_edited(a, surplus=1), "surplus"),
    "collection the model has not": (lambda a: entries(a, collection="notes"), "no collection notes"),
    "a path in place of a name": (lambda a: entries(a, collection="../secrets"), "collection"),
    "a collection twice": (lambda a: entries(a, collection="orders"), "twice"),
    "file gone": (lambda a: (a / ORDERS).unlink(), "No such file"),
    "file cut short": (lambda a: changed(a, ORDERS, lambda b: b[:-1]), "as in the manifest"),
    "one byte changed": (lambda a: changed(a, ORDERS, lambda b: b.replace(b"a", b"b", 1)), "SHA-256"),
    "a document less": (lambda a: rewritten(a, ORDERS, lambda b: b[b.index(b"\n") + 1 :]), "199 documents"),
    "a document more": (
        lambda a: rewritten(a, ORDERS, lambda b: b + b[: b.index(b"\n") + 1]),
        "more than 200 documents",
    ),
    "no JSON": (lambda a: rewritten(a, ORDERS, lambda b: b.replace(b"{", b"[", 1)), "document 1 cannot be read"),
    "no object": (lambda a: rewritten(a, ORDERS, lambda b: b"[]" + b[b.index(b"\n") :]), "it is not an object"),
    "no _id": (lambda a: rewritten(a, ORDERS, lambda b: b.replace(b"_id", b"_ID", 1)), "it has no _id"),
    "no such date": (
        lambda a: rewritten(a, ORDERS, lambda b: b.replace(b"{", b'{"d":{"$date":"x"},', 1)),
        "document 1 cannot be read",
    ),
    "nested beyond measure": (
        lambda a: rewritten(a, ORDERS, lambda b: b'{"_id":' + b"[" * 100_000 + b[b.index(b"\n") :]),
        "document 1 cannot be read",
    ),
    "a manifest of brackets": (lambda a: (a / MANIFEST).write_text("[" * 200_000), "nested more than 100 deep"),
    "a manifest of keys": (lambda a: (a / MANIFEST).write_text('{"a":' * 200_000), "nested more than 100 deep"),
    "a manifest of whole brackets": (
        lambda a: (a / MANIFEST).write_text("[" * 150 + "]" * 150),
        "nested more than 100 deep",
    ),
    "a document that breaks its schema": (
        lambda a: rewritten(a, ORDERS, lambda b: b.replace(b'"completed"', b'"done"', 1)),
        'status "done" is not one of',
    ),
}


def rejection(mongo: Mongo, archive: Path, *, validate: bool = True) -> str:
    """Return the error line for an archive, and assert that nothing was written."""
    before = state(mongo)
    target = Target(mongo, mongo["nowhere"], TargetInfo("", "nowhere", "", False))
    with pytest.raises(ConfigurationError) as refused:
        transfer.verify(MODEL, target, open_archive(archive, MODEL), validate=validate)
    assert state(mongo) == before
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_export_is_rejected_before_writing(mongo: Mongo, archive: Path, damage: str) -> None:
    edit, message = DAMAGE[damage]
    edit(archive)
    assert message in rejection(mongo, archive)


def test_rejected_archive_is_one_error_with_its_exit_code(
    workplace: Workplace, mongo: Mongo, uri: str, name: str, archive: Path
) -> None:
    changed(archive, ORDERS, lambda content: content.replace(b"a", b"b", 1))
    for flags in ([], ["--no-validate"], ["--drop", "--yes"]):
        done = run(workplace, uri, name, "import", str(archive), *flags)
        assert done.code == 2
        assert "SHA-256" in done.line
    assert name not in state(mongo)


#: The format, whether it is compressed, the edit of the orders, and the expected message.
DAMAGED_FILES: Sequence[tuple[str, bool, Callable[[bytes], bytes], str]] = [
    ("bson", False, lambda content: content[:-3], "document 3 cannot be read"),
    ("bson", False, lambda content: content + b"\x01", "document 4 cannot be read"),
    ("json", True, lambda content: content[:-3], "cannot be read"),
    ("json", True, lambda _: b"no gzip", "orders.jsonl.gz"),
    ("bson", False, lambda _: (2**31 - 1).to_bytes(4, "little") + b"\0" * 9, "document 1 cannot be read"),
    ("bson", False, lambda _: (-5).to_bytes(4, "little", signed=True) + b"\0" * 9, "document 1 cannot be read"),
    ("bson", True, lambda _: gzip.compress(b"\4\0\0\0"), "its length field is 4 bytes"),
    ("json", True, lambda content: gzip.compress(gzip.decompress(content)[:-5]), "cannot be read"),
]


@pytest.mark.parametrize("number", range(len(DAMAGED_FILES)))
def test_damaged_bson_or_gzip_file_is_rejected(mongo: Mongo, tmp_path: Path, number: int) -> None:
    form, compressed, edit, message = DAMAGED_FILES[number]
    with new_archive(tmp_path / "out", MODEL, "shop", form, compressed=compressed) as writer:  # type: ignore[arg-type]
        writer.add("orders", [RawBSONDocument(bson.encode({"_id": position})) for position in range(3)])
    rewritten(tmp_path / "out", next(path.name for path in (tmp_path / "out").glob("orders.*")), edit)
    line = rejection(mongo, tmp_path / "out", validate=False)
    assert "orders." in line
    assert message in line


@pytest.mark.parametrize("compressed", [False, True])
def test_line_longer_than_any_document_is_rejected_before_reading(
    mongo: Mongo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compressed: bool
) -> None:
    """A gzip archive of 1.5 MB may hold a line of 1.5 GB. Here the limit, and the line, are a hundredth of that."""
    monkeypatch.setattr("generator.archive.archive.MAX_LINE_BYTES", 1_000_000)
    with new_archive(tmp_path / "out", MODEL, "shop", "json", compressed=compressed) as writer:
        writer.add("orders", [RawBSONDocument(bson.encode({"_id": position})) for position in range(2)])
    line = b'{"_id":"' + b"a" * 15_000_000 + b'"}\n'
    rewritten(
        tmp_path / "out",
        next(path.name for path in (tmp_path / "out").glob("orders.*")),
        lambda content: (gzip.compress if compressed else bytes)(
            (gzip.decompress if compressed else bytes)(content) + line
        ),
    )
    tracemalloc.start()
    try:
        assert "document 3 cannot be read: its line has more than 1,000,000 bytes" in rejection(
            mongo, tmp_path / "out", validate=False
        )
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


def test_documents_beyond_the_count_of_the_manifest_are_not_read(mongo: Mongo, tmp_path: Path) -> None:
    """A small gzip file may contain millions: reading stops at the first surplus document."""
    with new_archive(tmp_path / "out", MODEL, "shop", "bson", compressed=True) as writer:
        writer.add("orders", [RawBSONDocument(bson.encode({"_id": 1}))])
    many = gzip.compress(bson.encode({"_id": 1}) * 3 + b"\1")  # the fourth document is broken
    rewritten(tmp_path / "out", "orders.bson.gz", lambda _: many)
    assert "it has more than 1 documents; expected 1, as in the manifest" in rejection(
        mongo, tmp_path / "out", validate=False
    )


def test_export_with_other_schemas_is_reported(workplace: Workplace, uri: str, name: str, archive: Path) -> None:
    """Documents are checked against the schemas of this model; the manifest is not trusted."""
    assert open_archive(archive, MODEL).differs_from(MODEL) is None
    manifest_edited(archive, model="0" * 64)
    done = run(workplace, uri, name, "import", str(archive))
    assert done.code == 0
    assert f"{archive / MANIFEST}: it was written under other schemas than this model's (000000000000…" in done.err
    assert "documents are checked against this model's" in done.err
    again = run(workplace, uri, name, "import", str(archive), "--no-validate", "--drop", "--yes")
    assert again.code == 0
    assert "documents are not checked against this model's" in again.err


def test_document_of_another_schema_is_rejected_by_the_validator(mongo: Mongo, name: str) -> None:
    """The cases include a document that is too large for a query."""
    good = {"_id": "cat_a", "category_id": "cat_a", "category_name": "A", "deleted": False}
    good["seasonal_multipliers"] = {month.name: 1.5 for month in MODEL[FIRST].field("seasonal_multipliers").children}
    large = {**good, "category_name": "x" * (16 * 1024 * 1024 - 1000)}
    for document, why in (
        (good, None),
        ({**good, "deleted": 0}, "deleted"),
        ({**good, "_id": 1, "$x": 1}, "$x"),
        (large, "category_name"),
    ):
        found = misfit(mongo[name], MODEL[FIRST], [RawBSONDocument(bson.encode(document))])
        assert (found is None) is (why is None)
        assert found is None or (found[0] == document["_id"] and why in found[1])
    assert name not in state(mongo)
