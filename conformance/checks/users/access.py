"""Access of users to the documents of a collection, allowed and required, from two independent computations.

What they may do are the file's conditions, put to the server as filters. Which documents are theirs is the model's to
say: those that refer to the user's own document of the users' collection, grouped and counted without any filter; of
a collection that belongs to nobody, all, or where it has rules, all that are not soft-deleted. Where the documents of
today show no difference, both are asked of documents and users that there could be.

For example, orders belong to the store of a user, and the file lets Ann of store s1 read ``store_id == user.store_id``:

    allowed      the filter {store_id: "s1"}               count 3
    required     the group of store_id s1                  count 3
    difference   {$and: [allowed, {$nor: [required]}]}     count 0, so the rule passes for Ann

If the numbers differ, the documents of either difference are the violations. If there are none, a client wrote between
the queries, and all is asked again in one snapshot.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from pymongo.client_session import ClientSession
from pymongo.errors import ConfigurationError as PyMongoConfigurationError
from pymongo.errors import InvalidOperation, OperationFailure

from conformance.checks.base import Context, Document, listed
from conformance.ditto.permissions import (
    PERMISSIONS_FILE,
    Operation,
    Permissions,
    User,
    allowed,
    document_of,
    known_users,
)
from conformance.language.conditions.condition import (
    Always,
    Attribute,
    Comparison,
    Condition,
    Some,
    comparisons,
    holds,
)
from conformance.language.conditions.translation import NOTHING, to_mongo, without
from conformance.language.conditions.witnesses import named, representatives, states_of
from conformance.model.collection import Collection
from conformance.results import Outcome, Sample
from conformance.text.rendering import shorten


@dataclass(frozen=True)
class _Required:
    """The documents on which a user must be able to act: as a filter, and their number by the server's grouping."""

    condition: Mapping[str, Any]
    number: int


@dataclass(frozen=True)
class _Difference:
    """Documents on which a user may act and must not, or must and may not; ``why`` says which."""

    why: str
    condition: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Access:
    """One collection under the permissions, in the validated database."""

    context: Context
    collection: Collection
    permissions: Permissions
    session: ClientSession | None = None

    @cached_property
    def own(self) -> Mapping[str, Document]:
        """The document of the users' collection by the id of its user, for everyone who is known."""
        documents = list(self.context.collection(self.permissions.users.collection).find(session=self.session))
        people = known_users(self.permissions, self.context.model, documents)
        return {user.id: document_of(self.permissions, documents, user) for user in people}

    @cached_property
    def people(self) -> Sequence[User]:
        """Everyone who is known."""
        return known_users(self.permissions, self.context.model, self.own.values())

    def operation(self, operation: Operation, *, needed: bool) -> Outcome:
        """Documents on which someone may do the operation and should not, or should and may not."""
        found = self._compared(operation, needed=needed)
        if found is None:
            found = self._compared_in_snapshot(operation, needed=needed)
        if found is None:
            why = "the documents that users may see differ between a count by filter and a count by group"
            examined = self.context.counts[self.collection.name]
            return listed(self.context, examined, [Sample(why, ref=self.collection.name)])
        return found if found.violations else self._in_principle(operation, found, needed=needed)

    def _compared_in_snapshot(self, operation: Operation, *, needed: bool) -> Outcome | None:
        """Repeat the comparison in a snapshot; None where the numbers still differ, or the server has none."""
        try:
            with self.context.database.client.start_session(snapshot=True) as session:
                return replace(self, session=session)._compared(operation, needed=needed)
        except (OperationFailure, InvalidOperation, PyMongoConfigurationError):  # a standalone server keeps no moments
            return None

    def _compared(self, operation: Operation, *, needed: bool) -> Outcome | None:
        """Compare what is allowed and required; None where the numbers differ, and no document explains it."""
        differences: list[_Difference] = []
        numbers = []
        for user in self.people:
            may = to_mongo(allowed(self.permissions, self.collection, user, operation))
            required = self._required(user) if needed else _Required(NOTHING, 0)
            numbers.append(self._count(may))
            name, must = self.own[user.id]["_id"], required.condition
            too_much, too_little = without(may, must), without(must, may)
            if numbers[-1] != required.number or self._count(too_much):
                differences.append(_Difference(f"{name} may {operation} the document but should not", too_much))
                differences.append(_Difference(f"{name} may not {operation} the document but should", too_little))
        evidence = {"users": len(numbers), "documents of each": f"{min(numbers)} to {max(numbers)}"}
        return self._outcome(differences, evidence)

    def _outcome(self, differences: Sequence[_Difference], evidence: Mapping[str, Any]) -> Outcome | None:
        """Return the documents of the differences as violations; None where there are differences, but no document."""
        examined, documents = self.context.counts[self.collection.name], self.context.collection(self.collection.name)
        if not differences:
            return Outcome(examined, evidence=evidence)
        anyone = {"$or": [one.condition for one in differences]}
        violations = documents.count_documents(anyone, session=self.session)
        if not violations:
            return None
        broken = documents.find(anyone, {"_id": 1}, session=self.session).sort("_id", 1).limit(self.context.sample_size)
        samples = (Sample(self._why(one["_id"], differences), id=one["_id"]) for one in broken)
        return Outcome(examined, violations, self.context.samples(samples), evidence=evidence)

    def _why(self, _id: Any, differences: Sequence[_Difference]) -> str:
        """Return the first difference that a document is in, and the number of users for whom it is in one."""
        documents = self.context.collection(self.collection.name)
        its = {"_id": _id}
        found = (one for one in differences if documents.find_one({"$and": [its, one.condition]}, session=self.session))
        reasons = [one.why for one in found]
        return reasons[0] if len(reasons) == 1 else f"{reasons[0]}; the same applies to {len(reasons)} users in total"

    def _in_principle(self, operation: Operation, found: Outcome, *, needed: bool) -> Outcome:
        """Return what was found, or the first possible document for which permission and need differ."""
        for own, user in self._anybody(operation):
            may = allowed(self.permissions, self.collection, user, operation)
            should = self._theirs(own) if needed else Always(False)
            for document in representatives(self.collection, (may, should)):
                if (allows := holds(may, document)) != holds(should, document):
                    verdict = f"may {operation} it but should not" if allows else f"may not {operation} it but should"
                    has = ", ".join(
                        f"no {path}" if value is None else f"{path} {shorten(value)}"
                        for path, value in document.items()
                    )
                    whose = ", ".join(f"{name} {shorten(value)}" for name, value in user.attributes.items())
                    why = f"for a document with {has or 'any value'}, a user with {whose} {verdict}"
                    return replace(found, violations=1, samples=(Sample(why, ref=self._rules_of(operation)),))
        return found

    def _rules_of(self, operation: Operation) -> str:
        """Return where in the file the rules about the operation are."""
        numbers = [str(number) for number, rule in enumerate(self.permissions.rules)
                   if rule.collection == self.collection.name and rule.grants(operation)]  # fmt: skip
        return f"config/{PERMISSIONS_FILE}: rules" + (f"[{', '.join(numbers)}]" if numbers else "")

    def _anybody(self, operation: Operation) -> Iterator[tuple[Document, User]]:
        """Someone who is known, and who there could be: of each value that a rule names, and of one that none does.

        Each with the document that would make them known.
        """
        someone = self.people[0]
        yield self.own[someone.id], someone
        rules = [rule.parsed for rule in self.permissions.of(self.collection.name) if rule.grants(operation)]
        compared = [comparison for rule in rules for comparison in comparisons(rule)]
        keys: dict[str, list[str]] = {}
        for path, target in (*self._references, *((one.path, name) for one in compared for name in _attributes(one))):
            keys.setdefault(path, []).append(target)
        users = self.context.model[self.permissions.users.collection]
        for path, targets in keys.items():
            values = named(comparison for comparison in compared if comparison.path == path)
            for value in states_of(users, targets[0], values):
                own = {**self.own[someone.id], **dict.fromkeys(targets, value)}
                yield own, replace(someone, attributes={name: own.get(name) for name in someone.attributes})

    def _count(self, condition: Mapping[str, Any]) -> int:
        """Documents that meet a filter; asked once, unless it selects nothing or everything."""
        if condition == NOTHING:
            return 0
        if not condition and self.session is None:
            return self.context.counts[self.collection.name]
        key = repr(condition)
        if key not in self._counted:
            documents = self.context.collection(self.collection.name)
            self._counted[key] = documents.count_documents(condition, session=self.session)
        return self._counted[key]

    @cached_property
    def _counted(self) -> dict[str, int]:
        return {}

    def _theirs(self, own: Document) -> Condition:
        """Return which documents are those of the user whom the document makes known, as the model has it."""
        if not self.collection.synced:
            return Always(False)
        keys: Sequence[tuple[str, Any]] = [(field, own.get(target)) for field, target in self._references]
        if keys:
            return Some(tuple(Comparison(field, "=", key) for field, key in keys))
        flag = self.collection.soft_delete
        ruled = flag is not None and self.permissions.of(self.collection.name)
        return Comparison(flag, "=", False) if flag is not None and ruled else Always(True)

    def _required(self, user: User) -> _Required:
        """Return the documents that are the user's."""
        theirs = self._theirs(self.own[user.id])
        if isinstance(theirs, Always):
            return _Required(to_mongo(theirs), self._count(to_mongo(theirs)))
        keys = [(comparison.path, comparison.value) for comparison in comparisons(theirs)]
        number = sum(n for group, n in self._groups if any(_is(group.get(field), key) for field, key in keys))
        return _Required(to_mongo(theirs), number)

    @cached_property
    def _references(self) -> Sequence[tuple[str, str]]:
        """The fields that refer to the users' collection, each with the field there."""
        return [
            (reference.field, reference.target_field)
            for reference in self.collection.references
            if reference.target == self.permissions.users.collection and not reference.many
        ]

    @cached_property
    def _groups(self) -> Sequence[tuple[Mapping[str, Any], int]]:
        """The collection's documents grouped by whose they are, or whether they are deleted; with their numbers."""
        flag = self.collection.soft_delete
        fields = [field for field, _ in self._references] or ([flag] if flag else [])
        stage = {"$group": {"_id": {field: f"${field}" for field in fields}, "number": {"$sum": 1}}}
        rows = self.context.collection(self.collection.name).aggregate([stage], session=self.session)
        return [(row["_id"], row["number"]) for row in rows]


def _attributes(comparison: Comparison) -> list[str]:
    """Return the user's attributes that a comparison names."""
    return [value.name for value in comparison.values if isinstance(value, Attribute)]


def _is(value: Any, key: Any) -> bool:
    """Equal as MongoDB compares, which finds a value in an array too."""
    values = value if isinstance(value, list) else [value]
    return any(type(one) is type(key) and one == key for one in values)
