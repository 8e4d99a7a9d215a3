"""Embeddings by Azure OpenAI, through its official client, when the settings name an endpoint and a key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from conformance.config.settings import Settings
from conformance.errors import ConfigurationError, TargetError
from conformance.extras import pip_command, require
from conformance.text.masking import mask
from generator.embeddings.embedder import Array, Embedder, local_embedder

#: Texts per request (the service takes 2,048), seconds to wait for an answer, and how often to try again.
_BATCH: Final = 256
_SECONDS: Final = 30.0
_RETRIES: Final = 3


class AzureOpenAIEmbedder:
    """Asks a deployment of an embedding model that can shorten its vectors (text-embedding-3 and later)."""

    def __init__(self, endpoint: str, key: str, deployment: str, version: str) -> None:
        try:
            import openai
        except ImportError:
            raise ConfigurationError(
                f"AZURE_OPENAI_ENDPOINT is set, but the client is not installed: {pip_command('azure')},"
                " or remove the setting to use the model that is shipped"
            ) from None
        self._errors: type[Exception] = openai.OpenAIError
        self._deployment = deployment
        self._client = openai.AzureOpenAI(
            azure_endpoint=endpoint, api_key=key, api_version=version, timeout=_SECONDS, max_retries=_RETRIES
        )

    @property
    def provider(self) -> str:
        """The deployment's name."""
        return f"azure-openai/{self._deployment}"

    def embed(self, texts: Sequence[str], dimensions: int) -> Array:
        """See Embedder. TargetError, one line, when the service refuses or does not answer."""
        rows = np.zeros((len(texts), dimensions))
        for start in range(0, len(texts), _BATCH):
            part = list(texts[start : start + _BATCH])
            for row, vector in zip(rows[start:], self._ask(part, dimensions), strict=False):
                if len(vector) > dimensions:
                    raise ConfigurationError(
                        f"{self.provider} gave {len(vector)} numbers instead of {dimensions}; deploy a model that can"
                        " shorten its vectors, such as text-embedding-3-small"
                    )
                row[: len(vector)] = np.asarray(vector) / np.linalg.norm(vector)
        return rows

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def _ask(self, texts: list[str], dimensions: int) -> list[Any]:
        try:
            answer = self._client.embeddings.create(model=self._deployment, input=texts, dimensions=dimensions)
        except self._errors as error:
            reason = mask(" ".join(str(error).split()))[:300]
            raise TargetError(
                f"{self.provider} made no embedding: {reason}; check the AZURE_OPENAI_ settings"
            ) from error
        return [item.embedding for item in sorted(answer.data, key=lambda item: item.index)]


def embedder_for(settings: Settings) -> Embedder:
    """Azure OpenAI when endpoint and key are set, else the model that is shipped, which must be installed."""
    if not settings.azure_openai_endpoint or not settings.azure_openai_api_key:
        require("embeddings")
        return local_embedder()
    return AzureOpenAIEmbedder(
        settings.azure_openai_endpoint,
        settings.azure_openai_api_key.get_secret_value(),
        settings.azure_openai_embedding_deployment,
        settings.azure_openai_api_version,
    )
