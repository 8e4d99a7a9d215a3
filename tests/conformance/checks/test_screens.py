"""Which query a test of single documents begins with: one that others share, or a cheaper one of its own."""

from __future__ import annotations

from conformance.checks.document_scan import DocumentTest, Query, screens
from conformance.rules.catalogue import all_rules
from tests.models import shipped_model
from tests.validation import shipped_configuration

WHOLE: Query = {"$nor": [{"$jsonSchema": {"required": ["a", "b"]}}]}
OF_A: Query = {"$nor": [{"$jsonSchema": {"required": ["a"]}}]}
OTHER: Query = {"c": {"$exists": True}}


def scan(query: Query, alone: Query | None = None) -> DocumentTest:
    return DocumentTest("things", screen=query, why=str, alone=alone)


def test_screen_of_one_test_is_the_cheaper_one() -> None:
    assert screens([scan(WHOLE, OF_A), scan(OTHER)]) == [OF_A, OTHER]


def test_screen_of_several_tests_is_shared() -> None:
    assert screens([scan(WHOLE, OF_A), scan(dict(WHOLE))]) == [WHOLE, WHOLE]
    assert screens([scan(WHOLE, OF_A), scan(OTHER, OF_A), scan(dict(WHOLE), OTHER)]) == [WHOLE, OF_A, WHOLE]


def test_equal_screens_are_one_object() -> None:
    """They are evaluated once; two screens alone may be equal, too."""
    one, other = screens([scan(WHOLE), scan(dict(WHOLE))])
    assert one is other
    one, other = screens([scan(WHOLE, OF_A), scan(OTHER, dict(OF_A))])
    assert one is other


def test_screen_without_a_cheaper_one_is_asked() -> None:
    assert screens([scan(WHOLE)]) == [WHOLE]


def test_only_rules_that_share_the_schema_of_a_collection_have_a_cheaper_screen() -> None:
    """Every document that violates such a rule does not meet its field's schema."""
    cheaper = {
        rule.id
        for rule in all_rules(shipped_model(), shipped_configuration())
        if isinstance(rule.check, DocumentTest) and rule.check.alone not in (None, rule.check.violating)
    }
    assert cheaper == {rule for rule in cheaper if rule.startswith("uniqueness.") and rule.endswith("-version")}
    assert cheaper
