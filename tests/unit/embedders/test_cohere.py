"""Cohere through its real SDK, with the network replaced by a script."""

from __future__ import annotations

import json
from collections.abc import Callable
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

MODEL = "embed-english-light-v3.0"
DIMENSION = 384
TEXTS = ["alpha", "beta", "gamma"]


def answer(body: dict[str, Any], dimension: int = DIMENSION) -> httpx.Response:
    vectors = [vector_of(text, dimension) for text in body["texts"]]
    return httpx.Response(200, json={"id": "1", "embeddings": {"float": vectors}})


def answering(vectors: Any) -> Step:
    """A step whose vectors may be what JSON of the standard library writes for NaN and infinity."""
    content = json.dumps({"id": "1", "embeddings": {"float": vectors}})
    return lambda _body: httpx.Response(200, content=content, headers={"content-type": "application/json"})


def refusing(status: int, message: str = "no", **headers: str) -> Step:
    return lambda _body: httpx.Response(status, json={"message": message}, headers=headers)


def embedder_of(
    *steps: Step, waits: RecordedWaits | None = None, model: str = MODEL, dimension: int | None = None, **policy: Any
) -> tuple[Embedder, ScriptedProvider]:
    provider = ScriptedProvider(list(steps))
    waits = waits or RecordedWaits()
    registry = EmbedderRegistry(
        load_configuration(None, {"CO_API_KEY": KEY}), waits.policy(**policy), provider.transport
    )
    return registry.get(registry.choose(EmbedderChoice("cohere", model), dimension)), provider


def test_documents_and_queries_are_embedded_in_order_each_with_its_input_type() -> None:
    embedder, provider = embedder_of(answer)

    documents = embedder.embed_documents(TEXTS)
    query = embedder.embed_query("delta")

    assert [np.frombuffer(one, "<f4").tolist() for one in documents] == [vector_of(text, DIMENSION) for text in TEXTS]
    assert np.frombuffer(query, "<f4").tolist() == vector_of("delta", DIMENSION)
    assert [body["input_type"] for body in provider.bodies] == ["search_document", "search_query"]
    assert provider.bodies[0]["model"] == MODEL
    assert provider.bodies[0]["embedding_types"] == ["float"]
    assert "output_dimension" not in provider.bodies[0]
    assert provider.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_many_texts_go_in_batches_of_at_most_96() -> None:
    embedder, provider = embedder_of(answer)
    texts = [f"text {number}" for number in range(200)]

    embeddings = embedder.embed_documents(texts)

    assert [len(body["texts"]) for body in provider.bodies] == [96, 96, 8]
    assert [np.frombuffer(one, "<f4")[0] for one in embeddings] == [len(text) for text in texts]


def test_no_texts_need_no_request() -> None:
    embedder, provider = embedder_of(answer)

    assert embedder.embed_documents([]) == []
    assert provider.requests == []


def test_a_library_with_a_shorter_dimension_asks_for_it() -> None:
    embedder, provider = embedder_of(lambda body: answer(body, 256), model="embed-v4.0", dimension=256)

    assert len(embedder.embed_query("alpha")) == 256 * 4
    assert provider.bodies[0]["output_dimension"] == 256


def test_a_rate_limit_is_waited_out_as_the_provider_asks() -> None:
    waits = RecordedWaits()
    embedder, provider = embedder_of(refusing(429, **{"retry-after": "7"}), refusing(429), answer, waits=waits)

    assert len(embedder.embed_documents(TEXTS)) == 3
    assert waits.slept == [7.0, 1.0]
    assert len(provider.requests) == 3


def test_a_rate_limit_that_lasts_is_a_retryable_failure() -> None:
    waits = RecordedWaits()
    embedder, provider = embedder_of(refusing(429, "trial key limit"), waits=waits)

    with pytest.raises(EmbeddingFailed, match=r"limits the rate.*trial key limit.*Tried 4 times") as caught:
        embedder.embed_documents(TEXTS)

    assert caught.value.retryable
    assert type(caught.value) is EmbeddingFailed
    assert waits.slept == [0.5, 1.0, 2.0]
    assert len(provider.requests) == 4


def test_a_wait_longer_than_our_patience_is_not_begun() -> None:
    waits = RecordedWaits()
    embedder, _ = embedder_of(refusing(429, **{"retry-after": "3600"}), waits=waits)

    with pytest.raises(EmbeddingFailed, match="Tried once") as caught:
        embedder.embed_query("alpha")

    assert caught.value.retryable
    assert waits.slept == []


@pytest.mark.parametrize("failure", [httpx.ConnectError("no route"), httpx.ReadTimeout("slow"), refusing(503)])
def test_a_provider_that_is_down_is_tried_again_and_then_reported_as_retryable(failure: Step) -> None:
    waits = RecordedWaits()
    embedder, provider = embedder_of(failure, waits=waits)

    with pytest.raises(EmbeddingFailed, match=r"cannot be reached|is failing") as caught:
        embedder.embed_query("alpha")

    assert caught.value.retryable
    assert len(provider.requests) == 4


def test_a_short_outage_is_not_noticed() -> None:
    embedder, _ = embedder_of(httpx.ConnectError("no route"), refusing(500), answer)

    assert len(embedder.embed_query("alpha")) == DIMENSION * 4


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_the_servers_configuration_and_is_never_shown(status: int) -> None:
    embedder, provider = embedder_of(refusing(status, f"invalid api token {KEY}"))

    with pytest.raises(EmbedderNotConfigured, match="CO_API_KEY or COHERE_API_KEY") as caught:
        embedder.embed_query("alpha")

    assert len(provider.requests) == 1
    assert not caught.value.retryable
    assert KEY not in caught.value.detail
    assert "[key]" in caught.value.detail
    assert caught.value.__suppress_context__


def test_texts_that_are_refused_are_not_sent_again() -> None:
    embedder, provider = embedder_of(refusing(400, "too long " * 100))

    with pytest.raises(EmbeddingFailed, match=r"refused the texts \(HTTP 400: too long") as caught:
        embedder.embed_query("alpha")

    assert len(provider.requests) == 1
    assert not caught.value.retryable
    assert len(caught.value.detail) < 400
    assert caught.value.logged.endswith("refused the texts (HTTP 400).")


GOOD = vector_of("alpha", DIMENSION)


@pytest.mark.parametrize(
    ("vectors", "complaint"),
    [
        ([GOOD, GOOD], "2 vectors for 3 texts"),
        ([GOOD] * 4, "4 vectors for 3 texts"),
        ([GOOD, GOOD, GOOD[:-1]], r"shape \(383,\)"),
        ([GOOD, GOOD, [float("nan"), *GOOD[1:]]], "not a finite number"),
        ([GOOD, GOOD, [float("inf"), *GOOD[1:]]], "not a finite number"),
        ([GOOD, GOOD, [1e300, *GOOD[1:]]], "not a finite number"),
        ([GOOD, GOOD, [None, *GOOD[1:]]], "not a finite number"),
        ([GOOD, GOOD, ["x", *GOOD[1:]]], "not a vector of numbers"),
        ([GOOD, GOOD, [GOOD]], "not a vector|shape"),
        (None, "without vectors"),
        ("vectors", "without vectors"),
    ],
)
def test_vectors_that_are_wrong_never_come_back(vectors: Any, complaint: str) -> None:
    embedder, _ = embedder_of(answering(vectors))

    with pytest.raises(EmbeddingFailed, match=complaint) as caught:
        embedder.embed_documents(TEXTS)

    assert not caught.value.retryable


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(200, text="<html>a proxy's page</html>"),
        httpx.Response(200, json={}),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"id": "1", "embeddings": {"int8": [[1]]}}),
    ],
)
def test_answers_that_are_no_answers_are_failures(response: httpx.Response) -> None:
    embedder, _ = embedder_of(response)

    with pytest.raises(EmbeddingFailed):
        embedder.embed_query("alpha")


def test_a_batch_that_fails_half_way_gives_nothing() -> None:
    embedder, provider = embedder_of(answer, refusing(400))

    with pytest.raises(EmbeddingFailed):
        embedder.embed_documents(["text"] * 100)

    assert len(provider.requests) == 2


CloseTwice = Callable[[], None]


def test_closing_twice_is_harmless() -> None:
    embedder, _ = embedder_of(answer)
    close: CloseTwice = embedder.close

    close()
    close()
