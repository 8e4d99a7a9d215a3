"""Searching the product vectors with a text: by the model that made them, and no other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pymongo.database import Database

from conformance.errors import ConfigurationError
from conformance.model.collection import Model
from conformance.server.vector_search import Space, Stage, space
from generator.embeddings.embedder import Embedder

Document = dict[str, Any]


#: All of them: what a caller may not see is left out afterwards.
_ALL: Final = 10_000


class Vectors:
    """A vector field whose documents say by whom they were made; of the ``embedders`` the first is preferred."""

    def __init__(self, model: Model, database: Database[Document], field: str, embedders: Sequence[Embedder]) -> None:
        name, path = model.split(field)
        self._collection = model[name]
        self._documents = database[name]
        self._path = path
        self._embedders = embedders
        self._provider = next(one.name for one in self._collection.fields if one.sample.get("embedded") == "provider")
        self._space: Space | None = None

    def nearest(self, text: str) -> list[Stage]:
        """Stages that leave the live documents in the order of their nearness to the text; see `Space.nearest`.

        Raises ConfigurationError, one line, when no vector was made by a model that is at hand.
        """
        embedder = next((one for one in self._embedders if self._made_by(one)), None)
        if embedder is None:
            at_hand = " or ".join(one.provider for one in self._embedders)
            raise ConfigurationError(f"{self._collection.name} has no vectors by {at_hand}; run zava embed")
        self._space = self._space or space(self._collection, self._path, self._documents)
        vector = embedder.embed([text], self._space.dimensions)[0]
        return self._space.nearest(vector.tolist(), limit=_ALL, where=self.comparable(embedder))

    def comparable(self, embedder: Embedder) -> Document:
        """Return a condition on the documents: by this model, and not deleted."""
        flag = self._collection.soft_delete
        return {self._provider: embedder.provider} | ({flag: False} if flag else {})

    def _made_by(self, embedder: Embedder) -> bool:
        """Asked anew each time, for they may have been refreshed meanwhile."""
        return self._documents.find_one({self._provider: embedder.provider}, {"_id": 1}) is not None
