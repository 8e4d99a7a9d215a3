"""Choices of a draft: each is asked for once, with a default that is the draft without questions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from conformance.inspection.drafting.choices import NO, YES, Question
from conformance.inspection.drafting.draft import draft
from conformance.inspection.drafting.files import write_model
from conformance.inspection.inspection import inspect
from conformance.model.schemas.loading import load_model
from zava.verdict.interview import chosen

pytestmark = pytest.mark.server


@pytest.fixture
def shop(database: Database[dict[str, Any]]) -> Database[dict[str, Any]]:
    """Customers, and their orders with a key of their own, a state, and a flag."""
    database["customers"].insert_many({"_id": f"c{n}", "city": "Bath" if n % 2 else "Wells"} for n in range(12))
    database["orders"].insert_many(
        {"_id": n, "number": f"A-{n}", "customer_id": f"c{n % 12}", "state": "new" if n % 3 else "paid", "gone": False}
        for n in range(40)
    )
    return database


class Answers:
    """Answers by the place and the beginning of the question; the default for all others."""

    def __init__(self, **given: str) -> None:
        self.given = {key.replace("__", "."): answer for key, answer in given.items()}
        self.asked: list[Question] = []

    def __call__(self, question: Question) -> str:
        self.asked.append(question)
        return self.given.get(question.place, question.default)


def test_defaults_give_the_same_schemas_as_a_draft_without_questions(shop: Database[dict[str, Any]]) -> None:
    inspection, ask = inspect(shop), Answers()
    assert draft(shop, inspection, (), ask).schemas == draft(shop, inspection, ()).schemas
    assert [(one.place, one.text, one.default) for one in ask.asked] == [
        ("customers", "Do devices hold it?", NO),
        ("customers.city", "Is city always one of Bath, Wells?", NO),
        ("orders", "Do devices hold it?", NO),
        ("orders", "Which field marks a document as deleted?", "none"),
        ("orders.number", "May no two documents share number?", YES),
        ("orders.state", "Is state always one of new, paid?", NO),
        ("orders.customer_id", "Does it refer to customers._id?", YES),
    ]
    assert len({(one.place, one.text) for one in ask.asked}) == len(ask.asked)


def test_answers_are_in_the_model_and_in_its_evidence(shop: Database[dict[str, Any]], tmp_path: Path) -> None:
    def ask(question: Question) -> str:
        if question.text.startswith("Do devices") and question.place == "orders":
            return YES
        if question.text.startswith("Which field is the device"):
            assert question.answers == ("_id", "number")
            return "number"
        if question.text.startswith("Which field marks"):
            return "gone"
        if question.text.startswith(("Is state", "Does it refer")):
            return YES if question.place == "orders.state" else NO
        return question.default

    drafted = draft(shop, inspect(shop), (), ask)
    write_model(drafted, tmp_path / "model", shop.name)
    orders = load_model(tmp_path / "model")["orders"]
    assert orders.id_mapping is not None
    assert (orders.id_mapping.mode, orders.id_mapping.fields) == ("single_field", ("number",))
    assert orders.field("number").schema["x-unique"] is True
    assert orders.soft_delete == "gone"
    assert orders.field("state").schema["enum"] == ["new", "paid"]
    assert orders.references == ()
    evidence = (tmp_path / "model" / "INFERRED.md").read_text(encoding="utf-8")
    assert "| `orders: Do devices hold it?` | you answered yes; its pre- and post-images are off |" in evidence
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["INFERRED.md", "config", "schemas"]


@pytest.mark.parametrize(
    ("text", "answer"), [("", "no"), ("y", "yes"), ("Yes", "yes"), ("no", "no"), ("maybe", None), ("yesno", None)]
)
def test_first_letters_are_accepted(text: str, answer: str | None) -> None:
    assert chosen(text, Question("a", "b", "c", NO)) == answer


def test_ambiguous_letters_are_asked_again() -> None:
    question = Question("a", "b", "c", "_id", ("_id", "name", "number"))
    assert (chosen("n", question), chosen("nu", question), chosen("name", question)) == (None, "number", "name")
