"""An archive: documents as a folder of files, one per collection, with a manifest that vouches for every byte.

JSON archives hold canonical Extended JSON, one document per line, as mongoimport reads it; BSON archives hold documents
back to back, as mongorestore reads them. Values that Extended JSON cannot hold without loss are refused on writing.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Any, Final, Literal

import bson
from bson import DatetimeConversion, json_util
from bson.codec_options import CodecOptions
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from pydantic import AfterValidator, Field, StringConstraints, ValidationError

from conformance.connection.decoding import OPTIONS
from conformance.errors import ConfigurationError
from conformance.files.private import FOLDER_MODE, create_private
from conformance.files.strict_files import Strict, read_json
from conformance.model.collection import Model
from conformance.model.names import unfit_collection
from conformance.text.rendering import shorten

Form = Literal["json", "bson"]
MANIFEST: Final = "manifest.json"
#: Documents as the bytes they are, whose fields can be looked at whatever they hold.
RAW: Final[CodecOptions[RawBSONDocument]] = CodecOptions(
    document_class=RawBSONDocument,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
    unicode_decode_error_handler="replace",
)
_SUFFIX: Final[Mapping[Form, str]] = {"json": ".jsonl", "bson": ".bson"}
_EXACT: Final[CodecOptions[dict[str, Any]]] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_AUTO)
_CANONICAL: Final = json_util.JSONOptions(
    json_mode=json_util.JSONMode.CANONICAL, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)
#: Errors of reading a broken file or document; RecursionError means that it is nested too deep.
_BROKEN: Final = (BSONError, ValueError, TypeError, OverflowError, EOFError, RecursionError, zlib.error)
#: Bytes of a BSON document: the server's limit, and what it grants itself beyond.
_DOCUMENT_BYTES: Final = 16 * 1024 * 1024 + 16 * 1024
#: Bytes of a document as a line of Extended JSON, whose longest form has six characters for a byte.
MAX_LINE_BYTES: Final = 8 * _DOCUMENT_BYTES

Checksum = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


def _collection(name: str) -> str:
    """Return a name that a model can have, and that names no file in another folder."""
    if unfit_collection(name) is not None:
        raise ValueError("not a collection's name")
    return name


class Entry(Strict):
    """One file: how many documents of which collection, its size in bytes as it lies there, and its SHA-256."""

    collection: Annotated[str, AfterValidator(_collection)]
    documents: int = Field(ge=1)
    bytes: int = Field(ge=1)
    sha256: Checksum


class Manifest(Strict):
    """manifest.json. ``model`` is the SHA-256 of the schemas that the documents were written under."""

    schema_version: Literal[1]
    database: str
    model: Checksum
    format: Form
    gzip: bool
    collections: tuple[Entry, ...]

    def file(self, name: str) -> str:
        """Return the name of a collection's file."""
        return f"{name}{_SUFFIX[self.format]}{'.gz' if self.gzip else ''}"


@dataclass(frozen=True)
class Archive:
    """A folder whose manifest was read; nothing else of it has been looked at."""

    folder: Path
    manifest: Manifest

    def path(self, entry: Entry) -> Path:
        """Return where a collection's documents are."""
        return self.folder / self.manifest.file(entry.collection)

    def differs_from(self, model: Model) -> str | None:
        """Return a line about documents that were written under other schemas than the model's; None if they were not.

        The manifest alone cannot say whether the model has changed since or somebody has changed the manifest.
        """
        if self.manifest.model == fingerprint(model):
            return None
        return (
            f"{self.folder / MANIFEST}: it was written under other schemas than this model's"
            f" ({self.manifest.model[:12]}…, now {fingerprint(model)[:12]}…)"
        )

    def check_files(self) -> None:
        """Raise ConfigurationError for the first file that is not there, or not the one that was written."""
        for entry in self.manifest.collections:
            path = self.path(entry)
            try:
                size = path.stat().st_size
                found = _sha256(path) if size == entry.bytes else None
            except OSError as error:
                raise ConfigurationError(f"{path}: {error.strerror}; the export is not whole: export again") from None
            if found is None:
                raise _damaged(path, f"it has {size:,} bytes; expected {entry.bytes:,}, as in the manifest")
            if found != entry.sha256:
                raise _damaged(path, "its SHA-256 is not the manifest's")

    def documents(self, entry: Entry) -> Iterator[RawBSONDocument]:
        """Yield the documents in the order of the file; raise ConfigurationError for a broken one."""
        path, number, complete = self.path(entry), 0, False
        parse = {"json": _parsed_lines, "bson": _parsed_bson}[self.manifest.format]
        try:
            with gzip.open(path) if self.manifest.gzip else path.open("rb") as file:
                for document in parse(file):  # type: ignore[arg-type]
                    if "_id" not in document:
                        raise ValueError("it has no _id")
                    if number == entry.documents:
                        break
                    number += 1
                    yield document
                else:
                    complete = True
        except OSError as error:
            raise ConfigurationError(f"{path}: {error.strerror or error}; export again") from None
        except _BROKEN as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise _damaged(path, f"document {number + 1} cannot be read: {reason}") from None
        if number != entry.documents or not complete:
            found = f"{number:,}" if complete else f"more than {number:,}"
            raise _damaged(path, f"it has {found} documents; expected {entry.documents:,}, as in the manifest")


def fingerprint(model: Model) -> str:
    """SHA-256 of the model's schemas, however their files are laid out."""
    schemas = {collection.name: collection.schema for collection in model}
    return hashlib.sha256(json.dumps(schemas, sort_keys=True).encode()).hexdigest()


def open_archive(folder: Path, model: Model) -> Archive:
    """Read the manifest of a folder; ConfigurationError when there is none, or when it is not for this model.

    Other schemas than the model's are no error (`Archive.differs_from`): the documents may meet both.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise ConfigurationError(
            f"{folder}: there is no {MANIFEST}, so this is not a finished export; give the folder of one"
        )
    try:
        manifest = Manifest.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the top"
        raise _damaged(path, f"at {place}: {first['msg']}") from None
    names = [entry.collection for entry in manifest.collections]
    unknown = next((name for name in names if name not in model.collections), None)
    if unknown is not None:
        raise ConfigurationError(f"{path}: the model has no collection {unknown}; use the model it was exported with")
    if len(names) != len(set(names)):
        raise _damaged(path, "a collection occurs there twice")
    return Archive(folder, manifest)


class Writer:
    """Writes the files of an archive that is not in its place yet."""

    def __init__(self, folder: Path, form: Form, compressed: bool) -> None:
        self.entries: list[Entry] = []
        self._folder = folder
        self._form: Form = form
        self._compressed = compressed

    def add(self, name: str, documents: Iterable[RawBSONDocument]) -> None:
        """Write the documents of a collection, one after another; a collection without any has no file."""
        path = self._folder / f"{name}{_SUFFIX[self._form]}{'.gz' if self._compressed else ''}"
        number = 0
        with create_private(path) as file, _packed(file) if self._compressed else file as packed:
            for document in documents:
                packed.write(_line(name, document) if self._form == "json" else document.raw)
                number += 1
        if number:
            _to_disk(path)
            self.entries.append(
                Entry(collection=name, documents=number, bytes=path.stat().st_size, sha256=_sha256(path))
            )
        else:
            path.unlink()


@contextmanager
def new_archive(folder: Path, model: Model, database: str, form: Form, *, compressed: bool) -> Iterator[Writer]:
    """Make an archive for its owner only: the folder appears, whole, when the block ends, or not at all.

    Meanwhile it is <folder>.<process>.partial, which a killed process leaves behind.
    Raises ConfigurationError, one line, when the folder holds anything, or when the disk does not take the files.
    """
    folder = folder.resolve()
    scratch = folder.with_name(f"{folder.name}.{os.getpid()}.partial")
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ConfigurationError(f"{folder}: there is something already; name a folder that is empty or new")
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(mode=FOLDER_MODE, parents=True)
        writer = Writer(scratch, form, compressed)
        yield writer
        manifest = Manifest(
            schema_version=1,
            database=database,
            model=fingerprint(model),
            format=form,
            gzip=compressed,
            collections=tuple(writer.entries),
        )
        with create_private(scratch / MANIFEST) as file:
            file.write((json.dumps(manifest.model_dump(), indent=1) + "\n").encode())
        _to_disk(scratch / MANIFEST)
        scratch.replace(folder)  # onto an empty folder or none: whoever came first is left alone
        _to_disk(folder.parent)
    except OSError as error:
        raise ConfigurationError(
            f"{folder}: cannot be written: {error.strerror}; free space, correct its permissions, or name another"
            " folder"
        ) from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _damaged(path: Path, what: str) -> ConfigurationError:
    return ConfigurationError(f"{path}: {what}; the export is damaged: export again, nothing was written")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _to_disk(path: Path) -> None:
    """Wait until the disk holds it: a folder that is renamed into place must not be empty after a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _packed(file: IO[bytes]) -> gzip.GzipFile:
    """Return a packed file without name and time, so that equal documents give equal bytes."""
    return gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=6, mtime=0)


def _parsed_lines(file: IO[bytes]) -> Iterator[RawBSONDocument]:
    while line := file.readline(MAX_LINE_BYTES + 1):
        if len(line) > MAX_LINE_BYTES:
            raise ValueError(f"its line has more than {MAX_LINE_BYTES:,} bytes, more than a document can have")
        document = json_util.loads(line, json_options=_CANONICAL)
        if not isinstance(document, dict):
            raise ValueError("it is not an object")
        yield RawBSONDocument(bson.encode(document), RAW)


def _parsed_bson(file: IO[bytes]) -> Iterator[RawBSONDocument]:
    while head := file.read(4):
        size = int.from_bytes(head, "little", signed=True)
        if len(head) < 4 or not 5 <= size <= _DOCUMENT_BYTES:
            raise ValueError(f"its length field is {size:,} bytes; expected 5 to {_DOCUMENT_BYTES:,}")
        yield RawBSONDocument(head + file.read(size - 4), RAW)


def _line(name: str, document: RawBSONDocument) -> bytes:
    """Return a document as one lossless line; raise ConfigurationError if there is none."""
    try:
        decoded = bson.decode(document.raw, _EXACT)
        text = json_util.dumps(decoded, json_options=_CANONICAL, ensure_ascii=False, separators=(",", ":"))
        if bson.encode(json_util.loads(text, json_options=_CANONICAL)) == document.raw:
            return text.encode() + b"\n"
    except _BROKEN:
        pass
    key = shorten(bson.decode(document.raw, OPTIONS).get("_id"))
    raise ConfigurationError(
        f"{name}: the document with _id {key} cannot be written as Extended JSON without loss; use --as bson"
    )
