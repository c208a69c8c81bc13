"""OpenAI-compatible endpoints, with the network replaced by a script."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from quiredb.domain.drafts import EmbedderChoice
from quiredb.domain.errors import EmbedderNotConfigured, EmbeddingFailed
from quiredb.embedders.configuration import load_configuration
from quiredb.embedders.contract import Embedder
from quiredb.embedders.registry import EmbedderRegistry
from tests.unit.embedders.scripted import KEY, RecordedWaits, ScriptedProvider, Step, vector_of

DIMENSION = 8
TEXTS = ["alpha", "beta", "gamma"]

CONFIGURATION = """
[providers.house]
type = "openai"
url = "https://embeddings.example/v1/"
api_key_env = "HOUSE_KEY"
batch_size = 2

[providers.house.models.small]
dimension = 8
dimensions = [4]
input_types = ["query", "passage"]

[providers.open]
type = "openai"
url = "http://127.0.0.1:11434/v1"
encoding = "base64"

[providers.open.models.small]
dimension = 8
"""


def answer(body: dict[str, Any]) -> httpx.Response:
    """The vectors in reverse order: their `index` says which text each belongs to."""
    items: list[dict[str, Any]] = []
    for index, text in enumerate(body["input"]):
        vector = vector_of(text, body.get("dimensions", DIMENSION))
        packed = base64.b64encode(np.array(vector, "<f4").tobytes()).decode()
        items.insert(0, {"index": index, "embedding": packed if body["encoding_format"] == "base64" else vector})
    return httpx.Response(200, json={"object": "list", "data": items})


def embedder_of(
    folder: Path, *steps: Step, choice: EmbedderChoice | None = None, environment: dict[str, str] | None = None
) -> tuple[Embedder, ScriptedProvider]:
    file = folder / "embedders.toml"
    file.write_text(CONFIGURATION, encoding="utf-8")
    provider = ScriptedProvider(list(steps))
    configuration = load_configuration(file, {"HOUSE_KEY": KEY} if environment is None else environment)
    registry = EmbedderRegistry(configuration, RecordedWaits().policy(), provider.transport)
    return registry.get(registry.choose(choice or EmbedderChoice("house", "small"), None)), provider


def test_texts_are_embedded_in_order_and_batches(tmp_path: Path) -> None:
    embedder, provider = embedder_of(tmp_path, answer)

    embeddings = embedder.embed_documents(TEXTS)

    assert [np.frombuffer(one, "<f4").tolist() for one in embeddings] == [vector_of(text, DIMENSION) for text in TEXTS]
    assert provider.bodies == [
        {"model": "small", "encoding_format": "float", "input": ["alpha", "beta"]},
        {"model": "small", "encoding_format": "float", "input": ["gamma"]},
    ]
    assert str(provider.requests[0].url) == "https://embeddings.example/v1/embeddings"
    assert provider.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_dimension_and_input_types_are_sent_where_the_library_chose_them(tmp_path: Path) -> None:
    choice = EmbedderChoice("house", "small", 4, "passage", "query")
    embedder, provider = embedder_of(tmp_path, answer, choice=choice)

    assert len(embedder.embed_documents(["alpha"])[0]) == 4 * 4
    embedder.embed_query("alpha")

    assert [(body["dimensions"], body["input_type"]) for body in provider.bodies] == [(4, "passage"), (4, "query")]


def test_base64_and_an_endpoint_without_a_key(tmp_path: Path) -> None:
    embedder, provider = embedder_of(tmp_path, answer, choice=EmbedderChoice("open", "small"), environment={})

    assert np.frombuffer(embedder.embed_query("alpha"), "<f4").tolist() == vector_of("alpha", DIMENSION)
    assert provider.bodies[0]["encoding_format"] == "base64"
    assert "authorization" not in provider.requests[0].headers


def test_a_missing_key_is_said_before_any_request(tmp_path: Path) -> None:
    with pytest.raises(EmbedderNotConfigured, match="Set HOUSE_KEY"):
        embedder_of(tmp_path, answer, environment={"HOUSE_KEY": "  "})


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(200, text="hello"),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"data": [{"embedding": [1.0] * 8}]}),
        httpx.Response(200, json={"data": [{"index": 0, "embedding": "not base64!"}]}),
        httpx.Response(200, json={"data": [{"index": 0, "embedding": "AAA="}]}),
        httpx.Response(200, json={"data": []}),
        httpx.Response(200, json={"data": [{"index": 0, "embedding": [1.0] * 7}]}),
        httpx.Response(302, headers={"location": "https://elsewhere.example/"}),
        httpx.Response(418, text="I am a teapot"),
    ],
)
def test_answers_that_are_no_answers_are_failures(tmp_path: Path, response: httpx.Response) -> None:
    embedder, provider = embedder_of(tmp_path, response)

    with pytest.raises(EmbeddingFailed) as caught:
        embedder.embed_query("alpha")

    assert not caught.value.retryable
    assert len(provider.requests) == 1


@pytest.mark.parametrize("step", [httpx.Response(429), httpx.Response(502, text="gateway"), httpx.ReadError("cut")])
def test_what_may_pass_is_tried_again(tmp_path: Path, step: Step) -> None:
    embedder, provider = embedder_of(tmp_path, step, answer)

    assert len(embedder.embed_query("alpha")) == DIMENSION * 4
    assert len(provider.requests) == 2


def test_an_unknown_model_and_a_wrong_key_are_the_servers_configuration(tmp_path: Path) -> None:
    for status, advice in ((404, "does not know the model 'small'"), (401, "Correct HOUSE_KEY")):
        embedder, _ = embedder_of(tmp_path, httpx.Response(status, json={"error": {"message": f"no {KEY}"}}))

        with pytest.raises(EmbedderNotConfigured, match=advice) as caught:
            embedder.embed_query("alpha")

        assert KEY not in caught.value.detail
