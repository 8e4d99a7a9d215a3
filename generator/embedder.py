"""Embeddings of text: the seam where a real model goes. The default needs none and is the same everywhere."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

Array = np.ndarray[Any, Any]


class Embedder(Protocol):
    """Turns texts into vectors of unit length."""

    def embed(self, texts: Sequence[str], dimensions: int, salt: str) -> Array:
        """One row of ``dimensions`` doubles per text, each of length 1; ``salt`` tells two spaces apart."""
        ...


class WordHashEmbedder:
    """A text is the sum of one pseudo-random direction per word, so texts that share words are near each other."""

    def embed(self, texts: Sequence[str], dimensions: int, salt: str) -> Array:
        """See Embedder; deterministic from the text alone."""
        rows = []
        for text in texts:
            words = re.findall(r"[a-z0-9]+", text.lower()) or [text]
            total = np.sum([_direction(word, dimensions, salt) for word in words], axis=0)
            # Not np.linalg.norm: it asks the BLAS, whose last digits depend on the processor.
            rows.append(total / math.sqrt(math.fsum((total * total).tolist())))
        return np.array(rows)


@lru_cache(maxsize=4096)
def _direction(word: str, dimensions: int, salt: str) -> Array:
    digest = hashlib.sha256(f"{salt}\0{word}".encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, dtype=np.uint32)).standard_normal(dimensions)
