"""Choosing an embedder for a library, and having it ready when a text comes."""

import threading
from collections.abc import Callable
from importlib import import_module

import httpx

from quiredb.domain.drafts import EmbedderChoice
from quiredb.domain.errors import EmbedderNotConfigured, Unavailable, ValidationFailed
from quiredb.domain.library import EmbedderSpec
from quiredb.embedders.contract import Embedder
from quiredb.embedders.openai import OpenAIEmbedder
from quiredb.embedders.providers import (
    EmbedderConfiguration,
    ModelConfiguration,
    ProviderType,
)
from quiredb.embedders.retries import RetryPolicy


class EmbedderRegistry:
    """Embedders by specification, made when first asked for and kept until `close`. Safe for many threads."""

    def __init__(
        self,
        configuration: EmbedderConfiguration,
        policy: RetryPolicy | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """`transport` replaces the network for providers that are spoken to over HTTP."""
        self._configuration = configuration
        self._policy = policy or RetryPolicy()
        self._transport = transport
        self._embedders: dict[EmbedderSpec, Embedder] = {}
        self._lock = threading.Lock()
        self._closed = False

    def choose(self, choice: EmbedderChoice, dimension: int | None) -> EmbedderSpec:
        """What a library remembers of `choice`; `dimension` is the library's own, None when it follows the model.

        Raises:
            EmbedderNotConfigured: the server offers no such provider or model; the message lists what it offers.
            ValidationFailed: the model gives no vectors of that dimension, or knows no such input type.
        """
        model = self._model(choice.provider, choice.model)
        if choice.dimension is not None and dimension is not None and choice.dimension != dimension:
            raise ValidationFailed.at(
                "/embedder/dimension",
                "dimension-mismatch",
                f"The embedder's dimension {choice.dimension} is not the library's dimension {dimension}.",
            )
        wanted = choice.dimension or dimension or model.dimension
        if not model.gives(wanted):
            offered = ", ".join(str(one) for one in sorted({model.dimension, *model.dimensions}))
            raise ValidationFailed.at(
                "/embedder/dimension" if choice.dimension is not None else "/dimension",
                "dimension-mismatch",
                f"The model {model.name!r} gives vectors of dimension {offered}, not {wanted}.",
            )
        return EmbedderSpec(
            provider=choice.provider,
            model=choice.model,
            dimension=wanted,
            document_input_type=_input_type(
                model, choice.document_input_type, model.document_input_type, "document_input_type"
            ),
            query_input_type=_input_type(model, choice.query_input_type, model.query_input_type, "query_input_type"),
        )

    def get(self, spec: EmbedderSpec) -> Embedder:
        """The embedder of a library. The first call for a local model loads it.

        Raises:
            EmbedderNotConfigured: provider, model, dimension, key or package is missing; the message says what to do.
            Unavailable: the registry is closed.
        """
        with self._lock:
            if self._closed:
                raise Unavailable("The server is shutting down.")
            embedder = self._embedders.get(spec)
            if embedder is None:
                embedder = self._make(spec)
                self._embedders[spec] = embedder
            return embedder

    def close(self) -> None:
        """Close all embedders; `get` refuses from now on."""
        with self._lock:
            self._closed = True
            embedders, self._embedders = self._embedders, {}
        for embedder in embedders.values():
            embedder.close()

    def _model(self, provider_name: str, model_name: str) -> ModelConfiguration:
        provider = self._configuration.providers.get(provider_name)
        model = None if provider is None else provider.models.get(model_name)
        if model is None:
            raise EmbedderNotConfigured(
                f"The server offers no model {model_name!r} of a provider {provider_name!r}. {self._offer()}"
            )
        return model

    def _offer(self) -> str:
        offers = [
            f"{provider.name} ({', '.join(provider.models)})" for provider in self._configuration.providers.values()
        ]
        return f"It offers: {'; '.join(offers)}." if offers else "It offers none."

    def _make(self, spec: EmbedderSpec) -> Embedder:
        model = self._model(spec.provider, spec.model)
        if not model.gives(spec.dimension):
            raise EmbedderNotConfigured(
                f"The library was made for vectors of dimension {spec.dimension}, which the server's embedder "
                f"configuration does not list for the model {spec.model!r}. Add it there."
            )
        provider = self._configuration.providers[spec.provider]
        if provider.type is ProviderType.OPENAI:
            return OpenAIEmbedder(spec, provider, self._policy, self._transport)
        if provider.type is ProviderType.COHERE:
            return _optional("cohere", "CohereEmbedder", "cohere")(spec, provider, self._policy, self._transport)
        return _optional("sentence_transformers", "SentenceTransformersEmbedder", "local")(spec, provider)


def _input_type(model: ModelConfiguration, chosen: str | None, default: str | None, field: str) -> str | None:
    if chosen is None or chosen == default:
        return default
    if chosen in model.input_types:
        return chosen
    allowed = ", ".join(model.input_types) or "none"
    raise ValidationFailed.at(
        f"/embedder/{field}", "choice", f"The input types that can be chosen for {model.name!r}: {allowed}."
    )


def _optional(module: str, name: str, extra: str) -> Callable[..., Embedder]:
    """An embedder whose SDK is heavy and optional, so that it is imported when the first library needs it."""
    try:
        maker: Callable[..., Embedder] = getattr(import_module(f"quiredb.embedders.{module}"), name)
    except ModuleNotFoundError as error:
        raise EmbedderNotConfigured(
            f"The package {error.name!r} is not installed where the server runs. "
            f"Install it there: pip install 'quiredb[{extra}]'."
        ) from error
    return maker
