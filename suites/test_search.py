"""Semantic search finds relevant products, and more of them than text search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import allure
import numpy as np
import pytest
from bson import Int64

from conformance.errors import ConfigurationError
from conformance.run.session import Project
from conformance.server.target import Target
from generator.embeddings.embedder import local_embedder
from generator.embeddings.vectors import Vectors
from suites.relevance import estimate, load_relevance, recalls

#: Number of results that a shopper reads.
SHOWN: Final = 10


def test_semantic_search_has_higher_recall_than_text_search(
    project: Project, target: Target, record_testsuite_property: Callable[[str, object], None]
) -> None:
    """Compare recall@10 of the vectors with MongoDB's $text for each question; the numbers are in the report.

    The server's own search answers the first question; the others are answered here from the same vectors, for which
    the server would take its time, and the two must agree.
    """
    allure.dynamic.feature("Search")
    path = project.model.root / "tests" / "relevance.yaml"
    if not path.exists():
        pytest.skip(f"{path.name} is not there: the model has no questions with their answers")
    relevance = load_relevance(path)
    name, _, field = relevance.vectors.partition(".")
    reference = project.model[name].references[0]
    described = target.database[reference.target]
    texts = [(one.get(reference.target_field), one.get(relevance.key)) for one in described.find()]
    keys = {key: name for key, name in texts if isinstance(key, str) and isinstance(name, str)}  # the data may be dirty
    missing = {key for question in relevance.questions for key in question.find} - set(keys.values())
    if missing:
        pytest.skip(f"{len(missing)} of the answers are not in {described.name}, such as {min(missing)}")
    asks = [question.ask for question in relevance.questions]
    embedder = local_embedder()
    space = Vectors(project.model, target.database, relevance.vectors, [embedder])
    try:
        search = space.nearest(asks[0])
    except ConfigurationError as error:
        pytest.skip(str(error))
    live = list(target.database[name].find(space.comparable(embedder)).sort("_id", 1))
    size = project.model[name].field(field).schema["minItems"]
    broken = [one["_id"] for one in live if one.get(reference.field) not in [*keys] or not sound(one.get(field), size)]
    if broken:
        pytest.skip(f"{len(broken)} of {name} have no sound vector, or one of nothing: told by the rules")
    vectors = np.array([one[field] for one in live], dtype=float)
    cosines = embedder.embed(asks, vectors.shape[1]) @ (vectors / np.linalg.norm(vectors, axis=1)[:, None]).T
    nearest = [
        [keys[live[place][reference.field]] for place in places]
        for places in np.argsort(-cosines, axis=1, kind="stable")[:, :SHOWN]
    ]
    by_server = target.database[name].aggregate([*search, {"$limit": SHOWN}])
    assert [keys[one[reference.field]] for one in by_server] == nearest[0]

    def by_words(ask: str) -> list[str]:
        score: dict[str, Any] = {"score": {"$meta": "textScore"}}
        found = described.find({"$text": {"$search": ask}}, score).sort([("score", {"$meta": "textScore"}), ("_id", 1)])
        return [one[relevance.key] for one in found.limit(SHOWN)]

    meaning = recalls(relevance, nearest)
    words = recalls(relevance, [by_words(ask) for ask in asks])
    gain = estimate(meaning - words)
    summary = (
        f"recall@{SHOWN} of {len(asks)} questions, with 95 % intervals: by meaning {estimate(meaning)}, by words"
        f" {estimate(words)}, gained {gain}"
    )
    record_testsuite_property("recall", summary)
    allure.attach(summary, name="recall", attachment_type=allure.attachment_type.TEXT)
    assert gain.low > 0, summary


def sound(vector: Any, size: int) -> bool:
    """Return whether a value is a list of this number of finite numbers, not all zero."""
    return (
        isinstance(vector, list)
        and len(vector) == size
        and {*map(type, vector)} <= {int, float, Int64}
        and bool(np.isfinite(np.array(vector, dtype=float)).all())
        and any(vector)
    )
