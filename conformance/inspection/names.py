"""Meaning of names of fields and collections: identities, references, personal data."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORDS: Final = re.compile(r"[A-Za-z]+|[0-9]+")


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _pairs(text: str) -> frozenset[tuple[str, ...]]:
    return frozenset(tuple(pair.split("_")) for pair in text.split())


#: Last words of names by which documents refer to each other, and of others whose digits are no amount.
_REFERRING: Final = _set("id ids key code no nr number uuid guid sku ref isbn ean upc gtin slug oid")
_SPECIFIC: Final = _set("sku isbn ean upc gtin")
_DIGITS: Final = _set("num zip zipcode postcode postal phone mobile tel telephone fax pin vin iban ssn building")
_PERSONAL: Final = _set(
    "email phone mobile telephone birthday birthdate dob ssn passport iban firstname lastname surname"
)
_PERSONAL_PAIRS: Final = _pairs("e_mail first_name last_name full_name customer_name birth_date date_birth ip_address")
_SECRET: Final = _set("password passwd pwd passphrase secret cvv cvc")
_SECRET_PAIRS: Final = _pairs("api_key private_key access_token refresh_token auth_token session_token card_number")
_FLAGS: Final = _pairs("deleted is_deleted soft_deleted archived is_archived removed is_removed")
#: Names of a document's own key that do not say what the document is.
BARE_IDENTITIES: Final = frozenset({"_id", "id", "ID", "Id"})
#: Last words of names whose values are usually unique, and words before them that say otherwise.
_UNIQUE: Final = _set("name email username login handle")
_SHARED: Final = _set("first last middle full family given customer")
#: Last words of collections of people, who may have the same name.
_PEOPLE: Final = _set(
    "user person people customer client patient employee member contact student teacher author guest driver doctor"
    " practitioner worker staff owner"
)
#: Names that are numbers of something, whatever collection has the same name.
_COUNTED: Final = _set("order page level rank position step version number count line row")
#: Relations of a document to others of its own collection.
_SELF: Final = _set("parent parents ancestor ancestors child children manager supervisor reply previous next root")


def words(name: str) -> tuple[str, ...]:
    """Return the words of a name in lower case: ``productTypeId`` and ``product_type_id`` have the same three."""
    return tuple(word.lower() for word in _WORDS.findall(_CAMEL.sub("_", name)))


def stem(name: str) -> tuple[str, ...]:
    """Return the words of a name, the last one in the singular, so that ``movie`` equals ``movies``."""
    parts = words(name)
    return (*parts[:-1], _stem(parts[-1])) if parts else ()


def reads_as_identity(name: str) -> bool:
    """Return True for names such as ``store_id``, ``zipcode`` and ``phoneNumber``, whose digits are no amount."""
    return bool((_REFERRING | _DIGITS) & set(words(name)[-1:])) or name == "_id"


def may_refer(name: str) -> bool:
    """Return True for names such as ``store_id`` and ``sku``, by which other documents may refer."""
    return bool(_REFERRING & set(words(name)[-1:])) or name == "_id"


def reads_as_unique(name: str) -> bool:
    """Return True for names such as ``sku``, ``email`` and ``store_name``; not for ``first_name`` and the like."""
    parts = words(name)
    return may_refer(name) or (bool(_UNIQUE & set(parts[-1:])) and not _SHARED & set(parts[:-1]))


def names_people(field: str, collection: str) -> bool:
    """Return True for the ``name`` of people: two of them may have the same one."""
    return words(field)[-1:] == ("name",) and bool(_PEOPLE & set(stem(collection)[-1:]))


def referred(name: str) -> tuple[str, ...]:
    """Return the stem of what a field refers to: ``product`` for ``product_id``, ``account`` for ``accounts``."""
    parts = words(name)
    return stem("_".join(parts[:-1])) if len(parts) > 1 and parts[-1] in _REFERRING else stem(name)


def is_own_identity(field: str, collection: str) -> bool:
    """Return True for ``_id``, ``id``, ``store_id`` in ``stores``, and ``type_id`` in ``product_types``."""
    thing, base = stem(collection), referred(field)
    return field in BARE_IDENTITIES or (may_refer(field) and bool(base) and thing[-len(base) :] == base)


def names_collection(field: str, collection: str) -> bool:
    """Return True if the field's name refers to the collection (also ``primary_store_id`` to stores)."""
    thing, base = stem(collection), referred(field)
    return bool(base and thing) and (base[-len(thing) :] == thing or thing[-len(base) :] == base)


def may_stand_for(name: str) -> bool:
    """Return True for names that can refer to a document without ``_id``: ``store``, but not ``order``."""
    return not _COUNTED & set(words(name))


def is_particular(name: str) -> bool:
    """Return True for names that say of what they are the key (``account_id``, ``sku``), not only that they are one."""
    parts = words(name)
    return may_refer(name) and (len(parts) > 1 or bool(_SPECIFIC & set(parts)))


def names_own_kind(field: str) -> bool:
    """Return True for names such as ``parent_id``: the document referred to may be of the same collection."""
    return bool(_SELF & set(words(field)))


def is_deletion_flag(name: str) -> bool:
    """Return True for the usual names of a soft-delete flag."""
    return words(name) in _FLAGS


def is_personal(name: str) -> bool:
    """Return True for names of personal data, such as ``email`` and ``lastName``."""
    return _has(name, _PERSONAL, _PERSONAL_PAIRS)


def is_secret(name: str) -> bool:
    """Return True for names of credentials, such as ``password`` and ``apiKey``."""
    return _has(name, _SECRET, _SECRET_PAIRS)


def is_refused(name: str) -> bool:
    """Return True for names that a device refuses or hides: with a dot or a ``$``, with ``_`` in front, empty."""
    return not name or name.startswith("_") or "$" in name or "." in name


def has_blank(name: str) -> bool:
    """Return True for names that are not letters, digits and ``_``: DQL must quote them."""
    return not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name)


def _has(name: str, single: frozenset[str], pairs: frozenset[tuple[str, ...]]) -> bool:
    parts = words(name)
    return bool(single & set(parts)) or bool(pairs & set(pairwise(parts)))


def _stem(word: str) -> str:
    if word.endswith(("ies", "ie")) and len(word) > 4:
        return word.removesuffix("s")[:-2] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 2 else word
