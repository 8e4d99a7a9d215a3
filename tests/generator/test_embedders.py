"""Embedding models: the shipped one, and Azure OpenAI by its own client against a stand-in."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from conformance.config.settings import Settings, load_settings
from conformance.errors import ConfigurationError, TargetError
from conformance.model.collection import Model
from generator.dataset import fingerprint
from generator.embeddings import embedder as shipped
from generator.embeddings.azure_openai import AzureOpenAIEmbedder, embedder_for
from generator.embeddings.embedder import WordLlamaEmbedder, local_embedder
from tests.validation import ROOT, configuration_for

pytestmark = pytest.mark.slow

pytest_plugins = ["tests.commands"]


#: SHA-256 of the vectors of the first five texts, as bytes.
SHA = "d08f23c3745e2cb4514ebb750ae4642372a0a3cee7247533d5cb7de68bb9a973"
TEXTS = [
    "something to water the lawn",
    "Oscillating Lawn Sprinkler",
    "claw hammer",
    "a",
    "Grüße, 10 in. × 2",  # noqa: RUF001 - as in product names
    "😀",
    " ",
]


# The shipped model


def test_vectors_have_length_1_and_the_requested_size() -> None:
    made = local_embedder().embed(TEXTS, 1536)
    assert made.shape == (len(TEXTS), 1536)
    assert np.linalg.norm(made, axis=1) == pytest.approx(1, abs=1e-12)


def test_size_does_not_change_a_cosine() -> None:
    """The model returns 256 numbers; further ones are zeros."""
    made = {size: local_embedder().embed(TEXTS, size) for size in (256, 512, 1536)}
    for vectors in made.values():
        assert (vectors @ vectors.T).tolist() == (made[256] @ made[256].T).tolist()
    assert (made[1536][:, 256:] == 0).all()


def test_similar_meanings_have_similar_vectors() -> None:
    lawn, sprinkler, hammer = local_embedder().embed(TEXTS[:3], 256)
    assert lawn @ sprinkler > 2 * max(lawn @ hammer, sprinkler @ hammer, 0.1)


def test_vector_does_not_depend_on_the_batch() -> None:
    alone = [local_embedder().embed([text], 512)[0].tolist() for text in TEXTS]
    assert local_embedder().embed(TEXTS, 512).tolist() == alone


def test_vectors_are_identical_on_every_machine() -> None:
    """A change of these bytes changes every dataset and requires a new provider name."""
    made = local_embedder().embed(TEXTS[:5], 512)
    assert local_embedder().provider == "wordllama-l2-supercat-256@64b47a2d"
    assert hashlib.sha256(made.tobytes()).hexdigest() == SHA


def test_empty_text_has_a_vector() -> None:
    assert np.linalg.norm(local_embedder().embed([""], 512)) == pytest.approx(1)


def test_too_small_size_is_rejected() -> None:
    with pytest.raises(ConfigurationError, match="makes 256 numbers, 255 are too few"):
        local_embedder().embed(["a"], 255)


def test_model_uses_no_network_and_configures_no_logger() -> None:
    """The test runs in a separate process in which sockets cannot be created."""
    code = """
import logging, socket
def refuse(*a, **k): raise AssertionError("a socket")
socket.socket = socket.create_connection = refuse
from generator.embeddings.embedder import local_embedder
assert local_embedder().embed(["water"], 256).shape == (1, 256)
assert not logging.getLogger().handlers
import sys
assert "wordllama" not in sys.modules and "requests" not in sys.modules and "openai" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_missing_model_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "_PACKAGE", "nosuchpackage")
    with pytest.raises(ConfigurationError, match="the embedding model nosuchpackage is not installed"):
        WordLlamaEmbedder().embed(["a"], 256)


def test_fingerprint_of_a_dataset_includes_the_model(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(model, Settings(), configuration_for(model))
    monkeypatch.setattr(WordLlamaEmbedder, "provider", "another")
    assert fingerprint(model, Settings(), configuration_for(model)) != before


# Azure OpenAI, by its own client, from a service that answers on this machine


@dataclass
class Service:
    """The requests that the stand-in received, and its replies."""

    endpoint: str = ""
    asked: list[tuple[str, str | None, Any]] = field(default_factory=list)
    status: int = 200
    shortens: bool = True


@pytest.fixture
def service() -> Iterator[Service]:
    """Implement the part of Azure OpenAI's interface that the client needs; its vectors do not have length 1."""
    place = Service()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            place.asked.append((self.path, self.headers["api-key"], asked))
            size = asked["dimensions"] if place.shortens else 2_000
            vectors = [[float(len(text) + n % 5) for n in range(size)] for text in asked["input"]]
            data = [{"object": "embedding", "index": n, "embedding": vector} for n, vector in enumerate(vectors)]
            good = {
                "object": "list",
                "model": "m",
                "usage": {"prompt_tokens": 1, "total_tokens": 1},
                "data": data[::-1],
            }
            bad = {"error": {"code": "401", "message": "Access denied due to invalid subscription key sk-secret"}}
            body = json.dumps(good if place.status == 200 else bad).encode()
            self.send_response(place.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        place.endpoint = f"http://127.0.0.1:{server.server_port}"
        yield place
        server.shutdown()
        thread.join()


@pytest.fixture
def azure(service: Service) -> Iterator[AzureOpenAIEmbedder]:
    pytest.importorskip("openai", reason="the azure extra is not installed")
    made = AzureOpenAIEmbedder(service.endpoint, "k3y", "embedding-3", "2024-02-01")
    yield made
    made.close()


def test_azure_is_called_by_its_own_client(service: Service, azure: AzureOpenAIEmbedder) -> None:
    made = azure.embed(["ab", "abcd"], 512)
    ((path, key, asked),) = service.asked
    assert path == "/openai/deployments/embedding-3/embeddings?api-version=2024-02-01"
    assert key == "k3y"
    assert (asked["input"], asked["dimensions"]) == (["ab", "abcd"], 512)
    wanted = np.array([[size + n % 5 for n in range(512)] for size in (2, 4)], dtype=float)
    assert made == pytest.approx(wanted / np.linalg.norm(wanted, axis=1)[:, None])
    assert azure.provider == "azure-openai/embedding-3"


def test_azure_is_called_in_batches(service: Service, azure: AzureOpenAIEmbedder) -> None:
    made = azure.embed([f"{'x' * (number % 7)}." for number in range(300)], 64)
    assert [len(asked["input"]) for _, _, asked in service.asked] == [256, 44]
    assert made[299].tolist() == azure.embed([f"{'x' * (299 % 7)}."], 64)[0].tolist()


def test_answer_of_azure_with_another_size_is_rejected(service: Service, azure: AzureOpenAIEmbedder) -> None:
    service.shortens = False
    with pytest.raises(ConfigurationError, match="gave 2000 numbers instead of 1536; deploy"):
        azure.embed(["a"], 1536)


def test_rejection_by_azure_is_one_error(service: Service, azure: AzureOpenAIEmbedder) -> None:
    service.status = 401
    with pytest.raises(TargetError, match=r"azure-openai/embedding-3 made no embedding: .*401") as refused:
        azure.embed(["a"], 64)
    assert "\n" not in str(refused.value)
    assert "k3y" not in str(refused.value)


def test_settings_select_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("AZURE_"):
            monkeypatch.delenv(name)
    assert embedder_for(load_settings(ROOT / "nosuch.env")) is local_embedder()
    half = load_settings(ROOT / "nosuch.env", azure_openai_endpoint="http://127.0.0.1:9/")
    assert embedder_for(half) is local_embedder()
    pytest.importorskip("openai", reason="the azure extra is not installed")
    both = load_settings(
        ROOT / "nosuch.env",
        azure_openai_endpoint="http://127.0.0.1:9/",
        azure_openai_api_key="k",
        azure_openai_embedding_deployment="d",
    )
    made = embedder_for(both)
    assert made.provider == "azure-openai/d"
    assert isinstance(made, AzureOpenAIEmbedder)
    made.close()


def test_missing_client_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'zava-conformance\[azure\]'"):
        AzureOpenAIEmbedder("http://127.0.0.1:9/", "k", "d", "v")
