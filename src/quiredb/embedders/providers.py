"""Which embedding providers and models the server offers, and with which keys.

A request picks among these by name; it never brings an address or a key of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class ProviderType(StrEnum):
    """How a provider is spoken to."""

    COHERE = "cohere"
    OPENAI = "openai"
    SENTENCE_TRANSFORMERS = "sentence-transformers"


@dataclass(frozen=True, slots=True)
class ModelConfiguration:
    """A model that libraries may choose.

    `dimensions` are the other lengths that the model gives on demand. Input types are the provider's words for the
    role of a text; `input_types` are those which a library may choose instead of the defaults. `location` is where a
    local model lies: a folder, `package:NAME/FOLDER` for one that an installed package carries, or a name in the
    local model cache.
    """

    name: str
    dimension: int
    dimensions: tuple[int, ...] = ()
    document_input_type: str | None = None
    query_input_type: str | None = None
    input_types: tuple[str, ...] = ()
    location: str | None = None

    def gives(self, dimension: int) -> bool:
        """Whether the model can answer vectors of this dimension."""
        return dimension == self.dimension or dimension in self.dimensions


@dataclass(frozen=True, slots=True)
class ProviderConfiguration:
    """A provider as the server may use it.

    `api_key` is the value found under the first of `api_key_names` in the environment, None when there is none (or
    none is needed: no names). `url` is the provider's base address; None means the official one. `encoding` is how an
    OpenAI-compatible provider is asked to write vectors: "float" or "base64".
    """

    name: str
    type: ProviderType
    models: Mapping[str, ModelConfiguration]
    api_key_names: tuple[str, ...] = ()
    api_key: str | None = field(default=None, repr=False)
    url: str | None = None
    batch_size: int = 96
    timeout_seconds: float = 60.0
    encoding: str = "float"
    device: str | None = None

    def key_names(self) -> str:
        """The environment variables that may hold the key, for a sentence."""
        return " or ".join(self.api_key_names) or "the provider's access"


@dataclass(frozen=True, slots=True)
class EmbedderConfiguration:
    """All providers by name."""

    providers: Mapping[str, ProviderConfiguration] = field(default_factory=dict)


COHERE_KEY_NAMES = ("CO_API_KEY", "COHERE_API_KEY")
COHERE_BATCH_MAX = 96
_COHERE_INPUT_TYPES = ("search_document", "search_query", "classification", "clustering")


def _cohere_model(name: str, dimension: int, *dimensions: int) -> ModelConfiguration:
    return ModelConfiguration(
        name, dimension, dimensions, "search_document", "search_query", input_types=_COHERE_INPUT_TYPES
    )


COHERE_MODELS: Mapping[str, ModelConfiguration] = {
    model.name: model
    for model in (
        _cohere_model("embed-v5.0-pro", 2048, 1536, 1024, 768, 512, 256),
        _cohere_model("embed-v5.0-fast", 2048, 1536, 1024, 768, 512, 256),
        _cohere_model("embed-v4.0", 1536, 1024, 512, 256),
        _cohere_model("embed-english-v3.0", 1024),
        _cohere_model("embed-multilingual-v3.0", 1024),
        _cohere_model("embed-english-light-v3.0", 384),
        _cohere_model("embed-multilingual-light-v3.0", 384),
    )
}
"""Cohere's embedding models with default and further dimensions: https://docs.cohere.com/docs/cohere-embed."""


def default_configuration(environment: Mapping[str, str]) -> EmbedderConfiguration:
    """Cohere with its well-known models and the key from the environment, if there is one."""
    cohere = ProviderConfiguration(
        name="cohere",
        type=ProviderType.COHERE,
        models=COHERE_MODELS,
        api_key_names=COHERE_KEY_NAMES,
        api_key=first_key(COHERE_KEY_NAMES, environment),
        batch_size=COHERE_BATCH_MAX,
    )
    return EmbedderConfiguration({cohere.name: cohere})


def first_key(names: tuple[str, ...], environment: Mapping[str, str]) -> str | None:
    """The first value under one of `names` that is not blank."""
    return next((value for name in names if (value := environment.get(name, "").strip())), None)
