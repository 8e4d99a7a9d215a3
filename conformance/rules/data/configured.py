"""The configured rules of config/rules.yaml: equations, assertions, bounds, counts, distributions, queries."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from conformance.checks.base import Check, Context, Document, Rule, answer, skipped
from conformance.checks.bounds import Bounds
from conformance.checks.document_scan import DocumentTest
from conformance.checks.expected_value import expected_value
from conformance.checks.grouped_bounds import GroupedBounds
from conformance.checks.joins.join import JoinTest
from conformance.checks.joins.sums import Sum, parse_equation, wrong_total
from conformance.checks.statistics.distribution import DistributionTest
from conformance.checks.subjects import Subjects
from conformance.config.configuration import Assertion, Bound, Configuration, Count, Equation
from conformance.config.configured_rule import ConfiguredRule, Family
from conformance.errors import ConfigurationError
from conformance.language.formulas.expressions import cents, typed
from conformance.language.formulas.formula import Formula
from conformance.language.formulas.ties import differs
from conformance.model.collection import Collection, Model, Reference
from conformance.model.validators.server_validator import field_query
from conformance.results import Outcome, Sample
from conformance.rules.data.counts import expected
from conformance.rules.data.forbidden import forbidden_rules
from conformance.text.paths import value_at
from conformance.text.plural import numbered
from conformance.text.rendering import shorten


def configured_rules(model: Model, configuration: Configuration, family: Family) -> Iterator[Rule]:
    """Yield the rules of one family, in the order of the file."""
    file = configuration.rules
    subjects = {collection.name: _chosen(configuration, family, collection.name) for collection in model}

    def rule_id(field: str, *through: str) -> str:
        name, path = model.split(field)
        return f"{family}.{name}.{subjects[name].of(path, *through)}"

    for position, equation in enumerate(file.equations):
        if equation.family == family:
            yield _equation(model, configuration, position, equation, rule_id)
    for assertion in file.assertions:
        if assertion.family == family:
            test = _assertion(model, configuration, assertion)
            yield _rule(f"{family}.{assertion.collection}.{assertion.subject}", assertion, test)
    for position, bound in enumerate(file.bounds):
        if bound.family == family:
            yield _bound(model, configuration, position, bound, rule_id)
    for count in file.counts:
        if count.family == family:
            check = _named(model, count) if count.only else answer(_counted(model, count))
            yield _rule(rule_id(count.field), count, check)
    for share in file.distributions:
        if share.family == family:
            compared = DistributionTest(model, configuration, share)
            yield _rule(f"{family}.{share.collection}.{share.subject}-shares", share, compared)
    yield from forbidden_rules(model, configuration, family)


def _chosen(configuration: Configuration, family: Family, collection: str) -> Subjects:
    """Return the subjects that the file itself gives: rules that are named after a field leave them alone."""
    given = [(one.family, one.collection, one.subject) for one in configuration.rules.assertions]
    given += [(one.family, one.collection, one.subject) for one in configuration.rules.forbidden]
    given += [(one.family, one.collection, f"{one.subject}-shares") for one in configuration.rules.distributions]
    return Subjects(*(subject for *place, subject in given if place == [family, collection]))


def _rule(rule_id: str, configured: ConfiguredRule, check: Check) -> Rule:
    return Rule(
        id=rule_id,
        title=configured.title,
        check=check,
        severity=configured.severity,
        why=configured.why,
        fix=configured.fix,
    )


def _place(model: Model, where: str, field: str) -> tuple[str, str]:
    """Return the collection and the path of a field."""
    name, path = model.split(field)
    if name not in model.collections or not model[name].has(path):
        raise ConfigurationError(
            f"{model.config('rules.yaml')}: {where}: the model has no such field; write collection.field"
        )
    return name, path


def _equation(
    model: Model, configuration: Configuration, position: int, equation: Equation, rule_id: Callable[..., str]
) -> Rule:
    _place(model, f"equation of {equation.field}", equation.field)
    formula = parse_equation(model, configuration, equation)
    if not formula.totals:
        return _rule(rule_id(equation.field), equation, _own_equation(model, equation, formula))
    if equation.tolerance:
        raise ConfigurationError(
            f"{model.config('rules.yaml')}: equation of {equation.field}: a formula over children has no tolerance;"
            " remove it"
        )
    reference = formula.totals[0].reference
    sums = list(_sums(model, configuration, reference))
    part = wrong_total(sums, next(one for one in sums if one.position == position))
    return _rule(rule_id(equation.field), equation, JoinTest(model, reference, part))


def _sums(model: Model, configuration: Configuration, reference: Reference) -> Iterator[Sum]:
    """Yield every total over the reference, whatever its family: a parent has one view for all of them."""
    for position, equation in enumerate(configuration.rules.equations):
        _place(model, f"equation of {equation.field}", equation.field)
        formula = parse_equation(model, configuration, equation)
        if formula.totals and formula.totals[0].reference == reference:
            yield Sum.parse(model, position, equation, formula)


def _bound(
    model: Model, configuration: Configuration, position: int, bound: Bound, rule_id: Callable[..., str]
) -> Rule:
    bounds = Bounds.parse(model, configuration, bound)
    subject = rule_id(bound.field, bounds.reference.field)
    if not bounds.uses_parents_only:
        return _rule(subject, bound, GroupedBounds(bounds))
    return _rule(subject, bound, JoinTest(model, bounds.reference, lambda _: bounds.part(position)))


def _own_equation(model: Model, equation: Equation, formula: Formula) -> DocumentTest:
    """Return the test of a field against a formula over its own document, if all operands are present."""
    name, path = model.split(equation.field)
    field = model[name].field(path)
    money = field.kind == "money"
    value: Any = cents(f"${path}") if money else f"${path}"
    broken = [differs(value, reading, equation.tolerance) for reading in formula.readings()]
    give_or_take = equation.tolerance / (100 if money else 1)
    margin = f", give or take {give_or_take:g}" if equation.tolerance else ""
    guards = ({"$isNumber": f"${path}"}, *formula.guards())
    unlisted = [{"$and": [guards[0], one]} for one in formula.unlisted()]
    query = {"$expr": {"$or": [{"$and": [*guards, *broken, *formula.validity()]}, *unlisted]}}

    def why(document: Document) -> str:
        unlisted = formula.why_unlisted(document)
        if unlisted is not None:
            return f"{path} is {shorten(document.get(path))}, which cannot be checked: {unlisted}"
        expected = expected_value(formula, document, money=money)
        values = {part: value_at(document, part) for part in (*formula.operands, *formula.optional)}
        operands = ", ".join(f"{part} {shorten(value)}" for part, value in values.items() if value is not None)
        is_ = f"{path} is {shorten(value_at(document, path))}"
        if not values:
            return f"{is_}; expected {expected or equation.equals}{margin}"
        how = f"{equation.equals} ({operands}){margin}"
        return f"{is_}; expected {how}" if expected is None else f"{is_}; expected {expected} = {how}"

    needs = " and ".join([path, *(one for one in formula.operands if _may_be_absent(model[name], one))])
    return DocumentTest(name, screen=query, violating=query, why=why, guards=guards, needs=needs)


def _may_be_absent(collection: Collection, path: str) -> bool:
    return not collection.field(path).required or bool(collection.nullable_above(path))


def _assertion(model: Model, configuration: Configuration, assertion: Assertion) -> DocumentTest:
    where = f"{model.config('rules.yaml')}: assertion {assertion.subject} of {assertion.collection}"
    if assertion.collection not in model.collections:
        raise ConfigurationError(f"{where}: there is no such collection; the model has {', '.join(model.collections)}")
    formula = Formula(assertion.holds, model, model[assertion.collection], configuration, where)
    if formula.parents or formula.totals:
        raise ConfigurationError(f"{where}: its formula uses other documents; write it under bounds or equations")
    guards = tuple(formula.guards())
    broken = {"$and": [*guards, {"$not": [formula.mongo()]}, *formula.validity()]}
    query = {"$expr": {"$or": [broken, *formula.unlisted()]}}
    words = set(re.findall(r"[\w.]+", assertion.holds))
    constants = [f"{name} {value}" for name, value in configuration.constants.items() if name in words]
    settings = f" ({', '.join(constants)})" if constants else ""
    named = [field.path for field in model[assertion.collection].walk() if field.path in words]
    optional = [path for path in formula.operands if _may_be_absent(model[assertion.collection], path)]

    def why(document: Document) -> str:
        unlisted = formula.why_unlisted(document)
        if unlisted is not None:
            return f"the rule cannot be checked: {unlisted}"
        values = ((path, value_at(document, path)) for path in named)
        found = ", ".join(f"{path} {'absent' if value is None else shorten(value)}" for path, value in values)
        return f"{found}; expected {assertion.holds}{settings}"

    needs = " and ".join(optional or formula.operands)
    return DocumentTest(assertion.collection, screen=query, violating=query, why=why, guards=guards, needs=needs)


def _named(model: Model, count: Count) -> DocumentTest:
    """Exactly the documents that the entry names have its value; one that is not there is for the family of counts."""
    where = f"count of {count.field}"
    name, path = _place(model, where, count.field)
    ((key, values),) = (count.only or {}).items()
    _place(model, where, f"{name}.{key}")
    if key != model[name].id_field and (key,) not in model[name].unique:
        raise ConfigurationError(
            f"{model.config('rules.yaml')}: {where}: {key} does not identify a document; name a field with x-unique"
        )
    kinds = {one: model[name].field(one).kind for one in (path, key)}
    guards = tuple(typed(f"${one}", kind) for one, kind in kinds.items())
    named = {"$in": [f"${key}", {"$literal": list(values)}]}
    query = {"$expr": {"$and": [*guards, {"$ne": [{"$eq": [f"${path}", {"$literal": count.value}]}, named]}]}}

    def why(document: Document) -> str:
        found = f"{path} is {shorten(value_at(document, path))} where {key} is {shorten(document.get(key))}"
        return f"{found}; expected {shorten(count.value)} exactly where {key} is {' or '.join(map(shorten, values))}"

    return DocumentTest(name, screen=query, violating=query, why=why, guards=guards, needs=f"{path} and {key}")


def _counted(model: Model, count: Count) -> Callable[[Context], Outcome]:
    """Documents too many, too few or with an unfit field, which other rules find, may be the reason."""
    name, path = _place(model, f"count of {count.field}", count.field)
    exactly = count.exactly or 0
    unfit = {"$nor": [field_query(model[name], path.partition(".")[0])]}

    def check(context: Context) -> Outcome:
        if not context.counts[name]:
            return skipped(f"{name} is empty")
        collection = context.collection(name)
        found = collection.count_documents({path: count.value})
        number, wanted = context.counts[name], expected(context, model[name])
        too_many = found - exactly - max(number - wanted.high, 0)
        too_few = exactly - found - max(wanted.low - number, 0) - collection.count_documents(unfit)
        off = max(too_many, too_few, 0)
        value = shorten(count.value)
        samples = [Sample(f"{path} is {value} in {numbered(found, 'document')}; expected {exactly:,}", ref=name)]
        return Outcome(number, off, tuple(samples if off else ()))

    return check
