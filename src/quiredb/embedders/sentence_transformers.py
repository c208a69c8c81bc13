"""A model on this machine, run by the optional package sentence-transformers. Nothing is downloaded."""

import importlib.util
import threading
from collections.abc import Sequence
from pathlib import Path

from sentence_transformers import SentenceTransformer

from quiredb.domain.chunk import Embedding
from quiredb.domain.errors import EmbedderNotConfigured
from quiredb.domain.library import EmbedderSpec
from quiredb.embedders.providers import ModelConfiguration, ProviderConfiguration
from quiredb.embedders.vectors import checked_embeddings

_PACKAGE_PREFIX = "package:"


class SentenceTransformersEmbedder:
    """Embeds in this process. One call runs at a time: the model's tokenizer is not made for many threads.

    Input types are the names of the model's prompts; without one, the model's own prompts for documents and queries
    are used, if it has any.
    """

    def __init__(self, spec: EmbedderSpec, provider: ProviderConfiguration) -> None:
        self.spec = spec
        self._source = f"{provider.name}/{spec.model}"
        self._batch_size = provider.batch_size
        self._lock = threading.Lock()
        self._model = _load(spec, provider)

    def embed_documents(self, texts: Sequence[str]) -> list[Embedding]:
        """One embedding for each text, in order."""
        if not texts:
            return []
        with self._lock:
            vectors = self._model.encode_document(
                list(texts),
                prompt_name=self.spec.document_input_type,
                batch_size=self._batch_size,
                show_progress_bar=False,
            )
        return checked_embeddings(vectors, len(texts), self.spec.dimension, self._source)

    def embed_query(self, text: str) -> Embedding:
        """The embedding of a text that searches."""
        with self._lock:
            vectors = self._model.encode_query([text], prompt_name=self.spec.query_input_type, show_progress_bar=False)
        return checked_embeddings(vectors, 1, self.spec.dimension, self._source)[0]

    def close(self) -> None:
        """Nothing to give back: the model goes with the object."""


def _load(spec: EmbedderSpec, provider: ProviderConfiguration) -> SentenceTransformer:
    configured = provider.models[spec.model]
    truncated = spec.dimension if spec.dimension != configured.dimension else None
    try:
        return SentenceTransformer(
            _location(configured), device=provider.device, local_files_only=True, truncate_dim=truncated
        )
    except (OSError, ValueError) as error:
        raise EmbedderNotConfigured(
            f"The local model {spec.model!r} cannot be loaded from {configured.location or configured.name!r}: "
            f"{_first_line(error)} Quire downloads no models: put it there, or correct its location."
        ) from error


def _location(model: ModelConfiguration) -> str:
    location = model.location or model.name
    if not location.startswith(_PACKAGE_PREFIX):
        return location
    package, _, folder = location.removeprefix(_PACKAGE_PREFIX).partition("/")
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise EmbedderNotConfigured(
            f"The package {package!r}, which carries the model {model.name!r}, is not installed where the server runs."
        )
    return str(Path(found.submodule_search_locations[0]) / folder)


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{text[0].rstrip('.')}." if text else f"{type(error).__name__}."
