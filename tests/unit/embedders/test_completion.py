"""Which texts are embedded, which vectors win, and that nothing is embedded in vain."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from quiredb.domain.drafts import ChunkDraft, EmbedderChoice
from quiredb.domain.errors import EmbeddingFailed, ValidationFailed
from quiredb.domain.library import IndexSpec, Library
from quiredb.domain.metadata import ChunkMetadata, LibraryMetadata
from quiredb.domain.metric import Metric
from quiredb.embedders.completion import Completion
from quiredb.embedders.configuration import load_configuration
from quiredb.embedders.registry import EmbedderRegistry
from tests.unit.embedders.scripted import RecordedWaits, ScriptedProvider, Step, vector_of

DIMENSION = 4
NOW = datetime(2026, 1, 1, tzinfo=UTC)
OWN = np.array([9, 8, 7, 6], "<f4").tobytes()
CONFIGURATION = '[providers.p]\ntype = "openai"\nurl = "http://p.example"\n[providers.p.models.m]\ndimension = 4\n'


def answer(body: dict[str, Any]) -> httpx.Response:
    vectors = [[0.0] * DIMENSION if text == "zero" else vector_of(text, DIMENSION) for text in body["input"]]
    return httpx.Response(200, json={"data": [{"index": i, "embedding": v} for i, v in enumerate(vectors)]})


def completing(
    folder: Path, step: Step = answer, *, embedder: bool = True, metric: Metric = Metric.COSINE
) -> tuple[Completion, Library, ScriptedProvider]:
    file = folder / "embedders.toml"
    file.write_text(CONFIGURATION, encoding="utf-8")
    provider = ScriptedProvider([step])
    registry = EmbedderRegistry(load_configuration(file, {}), RecordedWaits().policy(), provider.transport)
    spec = registry.choose(EmbedderChoice("p", "m"), DIMENSION) if embedder else None
    library = Library("l", DIMENSION, metric, IndexSpec(), spec, LibraryMetadata(), 0, 0, 1, 1, NOW, NOW)
    return Completion(registry), library, provider


def draft(text: str, embedding: bytes | None = None, chunk_id: str | None = None) -> ChunkDraft:
    return ChunkDraft(chunk_id, text, embedding, ChunkMetadata())


def pointers(count: int) -> list[str]:
    return [f"/chunks/{place}" for place in range(count)]


def test_vectors_of_the_caller_win_and_only_the_other_texts_are_sent(tmp_path: Path) -> None:
    completion, library, provider = completing(tmp_path)

    chunks = completion.chunks(library, [draft("one"), draft("two", OWN, "mine"), draft("three")], pointers(3))

    assert [body["input"] for body in provider.bodies] == [["one", "three"]]
    assert [chunk.text for chunk in chunks] == ["one", "two", "three"]
    assert chunks[1].embedding == OWN
    assert chunks[1].id == "mine"
    assert np.frombuffer(chunks[2].embedding, "<f4").tolist() == vector_of("three", DIMENSION)
    assert len({chunk.id for chunk in chunks}) == 3


def test_when_all_vectors_are_given_no_one_is_asked(tmp_path: Path) -> None:
    completion, library, provider = completing(tmp_path)

    completion.chunks(library, [draft("one", OWN)], pointers(1))
    assert completion.query(library, OWN, "one", "") == OWN

    assert provider.requests == []


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        (draft("x", b"\0" * 8), "/chunks/1/embedding"),
        (draft("x", b"\0" * 16), "/chunks/1/embedding"),
        (draft("x", None, "not an id"), "/chunks/1/id"),
        (draft("  "), "/chunks/1/text"),
    ],
)
def test_nothing_is_embedded_before_everything_is_checked(tmp_path: Path, wrong: ChunkDraft, pointer: str) -> None:
    completion, library, provider = completing(tmp_path)

    with pytest.raises(ValidationFailed) as caught:
        completion.chunks(library, [draft("one"), wrong], pointers(2))

    assert [violation.pointer for violation in caught.value.violations] == [pointer]
    assert provider.requests == []


def test_a_library_without_an_embedder_takes_only_vectors(tmp_path: Path) -> None:
    completion, library, _ = completing(tmp_path, embedder=False)

    with pytest.raises(ValidationFailed, match="no embedder"):
        completion.chunks(library, [draft("one")], pointers(1))
    with pytest.raises(ValidationFailed, match="no embedder"):
        completion.query(library, None, "one", "")
    assert completion.chunks(library, [draft("one", OWN)], pointers(1))[0].embedding == OWN


def test_a_text_whose_vector_has_no_direction_is_refused_under_cosine(tmp_path: Path) -> None:
    completion, library, _ = completing(tmp_path)

    with pytest.raises(ValidationFailed) as written:
        completion.chunks(library, [draft("one"), draft("zero")], pointers(2))
    with pytest.raises(ValidationFailed) as asked:
        completion.query(library, None, "zero", "")

    assert [violation.pointer for violation in written.value.violations] == ["/chunks/1/text"]
    assert [violation.pointer for violation in asked.value.violations] == ["/text"]
    completion, library, _ = completing(tmp_path, metric=Metric.L2)
    assert completion.chunks(library, [draft("zero")], pointers(1))[0].embedding == b"\0" * 16


def test_a_provider_that_fails_gives_no_chunks(tmp_path: Path) -> None:
    completion, library, _ = completing(tmp_path, httpx.Response(400, json={"error": {"message": "no"}}))

    with pytest.raises(EmbeddingFailed, match="refused the texts"):
        completion.chunks(library, [draft("one"), draft("two", OWN)], pointers(2))
