"""Requirements of the schema on vectors: length 1, one provider, current texts, and distinct vectors."""

from __future__ import annotations

from typing import Any, Final

import pytest

from conformance.model.embedding import text_digest
from tests.conformance.rules.finding import Finding

Document = dict[str, Any]
PREFIX: Final = "embeddings.product_embeddings."


def vector(*first: float, size: int = 512) -> list[float]:
    return [*first, *[0.0] * (size - len(first))]


def of(number: int, **fields: Any) -> Document:
    return {"_id": number, "product_id": f"p{number}", "deleted": False, **fields}


def products(*names: Any) -> list[Document]:
    return [
        {"_id": n, "product_id": f"p{n}", "product_name": one, "product_description": "D"}
        for n, one in enumerate(names)
    ]


@pytest.mark.parametrize(
    ("numbers", "broken"),
    [
        (vector(1.0), False),
        (vector(0.6, 0.8), False),
        (vector(0.6000001, 0.8), False),
        (vector(2.0), True),
        (vector(0.5), True),
        (vector(1.0, 1.0), True),
        (vector(), True),
    ],
)
def test_vector_of_another_length_than_1_is_reported(numbers: list[float], broken: bool, found: Finding) -> None:
    """Zero vectors and vectors of another size break the rule about the shape, and are not examined here."""
    documents = [of(0, image_embedding=numbers), of(1, image_embedding=[1.0]), of(2, image_embedding=vector(1.0))]
    outcome = found(f"{PREFIX}image_embedding-length", product_embeddings=documents)
    zero = not any(numbers)
    assert (outcome.examined, outcome.violations) == (1 if zero else 2, int(broken and not zero))


def test_message_states_the_length(found: Finding) -> None:
    outcome = found(f"{PREFIX}image_embedding-length", product_embeddings=[of(0, image_embedding=vector(3.0, 4.0))])
    assert [one.why for one in outcome.samples] == ["image_embedding has length 5; expected 1"]


def test_vectors_of_another_provider_are_reported(found: Finding) -> None:
    """Documents without a provider, or with several in an array, and deleted ones are not examined."""
    names: list[Any] = ["a@1", "a@1", "b@2", None, "a@1", ["a@1"]]
    documents = [of(number, provider=name) for number, name in enumerate(names)]
    outcome = found(f"{PREFIX}provider", product_embeddings=[*documents, of(9, provider="c", deleted=True), of(10)])
    assert (outcome.examined, outcome.violations) == (4, 1)
    assert [(one.id, one.why) for one in outcome.samples] == [(2, 'provider is "b@2"; most documents have "a@1"')]


def test_stale_digest_is_reported(found: Finding) -> None:
    digests: list[Any] = [
        text_digest(("Saw", "D")),
        text_digest(("Saws", "D")),
        ["0" * 64],
        text_digest(("x", "D")),
        "0" * 64,
        None,
    ]
    documents = [of(number, text_digest=one) for number, one in enumerate(digests)]
    outcome = found(f"{PREFIX}text_digest", product_embeddings=documents, products=products("Saw", "Saw", "Saw", 7))
    assert (outcome.examined, outcome.violations) == (2, 1)
    assert [one.id for one in outcome.samples] == [1]
    assert outcome.samples[0].why.endswith("the vectors are stale")


def test_equal_vectors_of_different_texts_are_reported(found: Finding) -> None:
    """Equal texts may have equal vectors; vectors that differ only in later elements are different."""
    shared, other = vector(0.6, 0.8), [*vector(0.6, 0.8)[:-1], 1e-9]
    vectors = [shared, shared, other, shared, vector(1.0), vector(1.0)]
    documents = [of(number, image_embedding=one) for number, one in enumerate(vectors)]
    names = products("Saw", "Axe", "Bow", "Saw", "Nail", "Nail")
    outcome = found(f"{PREFIX}image_embedding-distinct", product_embeddings=documents, products=names)
    assert (outcome.examined, outcome.violations, [one.id for one in outcome.samples]) == (6, 3, [0, 1, 3])


@pytest.mark.parametrize("rule", ["image_embedding-length", "provider", "text_digest", "image_embedding-distinct"])
def test_rule_without_vectors_is_skipped(rule: str, found: Finding) -> None:
    assert found(PREFIX + rule, product_embeddings=[of(0)], products=products("Saw")).skipped is not None
