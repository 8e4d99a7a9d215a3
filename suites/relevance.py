"""Quality of a search: questions with their relevant documents, and the fraction that it finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic import Field

from conformance.files.strict_files import Strict, parse_file

Array = np.ndarray[Any, Any]
#: Resamples of the bootstrap: the interval's ends then vary by about a tenth of its width.
_RESAMPLES: Final = 10_000
_SEED: Final = 1


class Question(Strict):
    """A question, and the keys of all documents that answer it."""

    ask: str = Field(min_length=1)
    find: tuple[str, ...] = Field(min_length=1)


class Relevance(Strict):
    """A relevance set: ``vectors`` ("collection.field") is what is searched, ``key`` a field of what it describes."""

    vectors: str = Field(pattern=r"^[a-z_]+[.][A-Za-z0-9_]+$")
    key: str
    questions: tuple[Question, ...] = Field(min_length=1)


@dataclass(frozen=True)
class Estimate:
    """A mean over questions, and the interval that holds it with 95 % confidence."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        """Such as ``0.861 (0.802 to 0.915)``."""
        return f"{self.mean:.3f} ({self.low:.3f} to {self.high:.3f})"


def load_relevance(path: Path) -> Relevance:
    """Return the relevance set in a file; ConfigurationError, one line, when it is none."""
    found: Relevance = parse_file(Relevance, path)
    return found


def recalls(relevance: Relevance, found: Sequence[Sequence[str]]) -> Array:
    """For each question the share of its answers that are among the keys found, which are as many as are looked at."""
    return np.array(
        [
            len(set(question.find) & set(keys)) / len(set(question.find))
            for question, keys in zip(relevance.questions, found, strict=True)
        ]
    )


def estimate(values: Array) -> Estimate:
    """Return the mean, with its percentile bootstrap interval over the questions; the same on every machine.

    Of two searches on the same questions, compare the differences question by question: they vary less.
    """
    rng = np.random.default_rng(_SEED)
    means = values[rng.integers(0, values.size, (_RESAMPLES, values.size))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Estimate(float(values.mean()), float(low), float(high))
