"""Choosing among what the server offers, and getting the embedder of a library."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from quiredb.domain.drafts import EmbedderChoice
from quiredb.domain.errors import EmbedderNotConfigured, Unavailable, ValidationFailed
from quiredb.domain.library import EmbedderSpec
from quiredb.embedders.configuration import load_configuration
from quiredb.embedders.providers import EmbedderConfiguration
from quiredb.embedders.registry import EmbedderRegistry

REGISTRY = EmbedderRegistry(load_configuration(None, {}))


def test_a_choice_becomes_what_the_library_remembers() -> None:
    assert REGISTRY.choose(EmbedderChoice("cohere", "embed-english-v3.0"), None) == EmbedderSpec(
        "cohere", "embed-english-v3.0", 1024, "search_document", "search_query"
    )


@pytest.mark.parametrize(("chosen", "library"), [(512, None), (None, 512), (512, 512)])
def test_the_dimension_may_come_from_the_choice_or_the_library(chosen: int | None, library: int | None) -> None:
    assert REGISTRY.choose(EmbedderChoice("cohere", "embed-v4.0", chosen), library).dimension == 512


@pytest.mark.parametrize(
    ("model", "chosen", "library", "pointer"),
    [
        ("embed-english-v3.0", None, 384, "/dimension"),
        ("embed-english-v3.0", 384, None, "/embedder/dimension"),
        ("embed-v4.0", 512, 256, "/embedder/dimension"),
    ],
)
def test_a_dimension_that_cannot_be_is_refused(
    model: str, chosen: int | None, library: int | None, pointer: str
) -> None:
    with pytest.raises(ValidationFailed) as caught:
        REGISTRY.choose(EmbedderChoice("cohere", model, chosen), library)

    assert [violation.pointer for violation in caught.value.violations] == [pointer]


def test_input_types_are_chosen_among_those_of_the_model() -> None:
    choice = EmbedderChoice("cohere", "embed-v4.0", document_input_type="clustering", query_input_type="clustering")
    assert REGISTRY.choose(choice, None).query_input_type == "clustering"

    with pytest.raises(ValidationFailed, match="search_document, search_query") as caught:
        REGISTRY.choose(EmbedderChoice("cohere", "embed-v4.0", query_input_type="image"), None)
    assert caught.value.violations[0].pointer == "/embedder/query_input_type"


@pytest.mark.parametrize(
    ("provider", "model"), [("cohere", "gpt-9"), ("https://evil.example/v1", "embed-v4.0"), ("", "")]
)
def test_what_the_server_does_not_offer_is_refused_with_what_it_does(provider: str, model: str) -> None:
    with pytest.raises(EmbedderNotConfigured, match=r"embed-english-light-v3\.0"):
        REGISTRY.choose(EmbedderChoice(provider, model), None)


def test_a_server_may_offer_nothing() -> None:
    with pytest.raises(EmbedderNotConfigured, match="It offers none"):
        EmbedderRegistry(EmbedderConfiguration()).choose(EmbedderChoice("cohere", "embed-v4.0"), None)


def test_without_a_key_a_library_can_be_made_but_not_embed() -> None:
    spec = REGISTRY.choose(EmbedderChoice("cohere", "embed-v4.0"), None)

    with pytest.raises(EmbedderNotConfigured, match="Set CO_API_KEY or COHERE_API_KEY"):
        REGISTRY.get(spec)


@pytest.mark.parametrize("spec", [EmbedderSpec("gone", "m", 4), EmbedderSpec("cohere", "embed-v4.0", 300)])
def test_a_library_whose_model_is_no_longer_offered_says_so(spec: EmbedderSpec) -> None:
    with pytest.raises(EmbedderNotConfigured, match=r"offers no model|does not list"):
        REGISTRY.get(spec)


@pytest.mark.parametrize(
    ("package", "kind", "extra"),
    [("cohere", "cohere", "cohere"), ("sentence_transformers", "sentence-transformers", "local")],
)
def test_a_package_that_is_not_installed_is_named_with_its_extra(
    package: str, kind: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "embedders.toml"
    file.write_text(f'[providers.it]\ntype = "{kind}"\n[providers.it.models.m]\ndimension = 4\n', encoding="utf-8")
    monkeypatch.delitem(sys.modules, f"quiredb.embedders.{package}", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    registry = EmbedderRegistry(load_configuration(file, {"CO_API_KEY": "k"}))

    with pytest.raises(EmbedderNotConfigured, match=rf"pip install 'quiredb\[{extra}\]'"):
        registry.get(EmbedderSpec("it", "m", 4))


def test_one_embedder_serves_all_libraries_with_the_same_specification() -> None:
    registry = EmbedderRegistry(load_configuration(None, {"CO_API_KEY": "k"}))
    spec = registry.choose(EmbedderChoice("cohere", "embed-v4.0"), None)

    with ThreadPoolExecutor(8) as pool:
        embedders = set(pool.map(lambda _: registry.get(spec), range(32)))

    assert len(embedders) == 1
    assert registry.get(registry.choose(EmbedderChoice("cohere", "embed-v4.0", 256), None)) not in embedders
    registry.close()


def test_a_closed_registry_gives_nothing_and_has_closed_its_embedders() -> None:
    transport = ClosingTransport()
    registry = EmbedderRegistry(load_configuration(None, {"CO_API_KEY": "k"}), transport=transport)
    spec = registry.choose(EmbedderChoice("cohere", "embed-v4.0"), None)
    registry.get(spec)

    registry.close()
    registry.close()

    assert transport.closed
    with pytest.raises(Unavailable):
        registry.get(spec)


class ClosingTransport(httpx.BaseTransport):
    closed = False

    def close(self) -> None:
        self.closed = True
