"""Cohere by its official SDK, API version 2: https://docs.cohere.com/reference/embed."""

from collections.abc import Sequence
from typing import Any

import cohere
import httpx
from cohere.core.api_error import ApiError

from quiredb.domain.chunk import Embedding
from quiredb.domain.errors import EmbeddingFailed
from quiredb.domain.library import EmbedderSpec
from quiredb.embedders.answers import failure_of_network, failure_of_status, required_key
from quiredb.embedders.batches import in_batches
from quiredb.embedders.providers import ProviderConfiguration
from quiredb.embedders.retries import RetryPolicy, with_retries
from quiredb.embedders.vectors import checked_embeddings


class CohereEmbedder:
    """Embeds by Cohere. The SDK's own retries are off: ours obey one budget for every provider.

    `output_dimension` is sent only where the library asks for another dimension than the model's own, because older
    models refuse it. Without a configured address the SDK's own default holds, which is CO_API_URL or Cohere.
    """

    def __init__(
        self,
        spec: EmbedderSpec,
        provider: ProviderConfiguration,
        policy: RetryPolicy,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        key = required_key(provider)
        self.spec = spec
        self._provider = provider
        self._policy = policy
        own_dimension = provider.models[spec.model].dimension
        self._fields: dict[str, Any] = {"model": spec.model, "embedding_types": ["float"]}
        if spec.dimension != own_dimension:
            self._fields["output_dimension"] = spec.dimension
        self._http = httpx.Client(timeout=provider.timeout_seconds, transport=transport)
        address: dict[str, Any] = {} if provider.url is None else {"base_url": provider.url}
        self._client = cohere.ClientV2(
            api_key=key,
            **address,
            client_name="quiredb",
            max_retries=0,
            httpx_client=self._http,
            log_warning_experimental_features=False,
        )

    def embed_documents(self, texts: Sequence[str]) -> list[Embedding]:
        """One embedding for each text, in order."""
        input_type = self.spec.document_input_type or "search_document"
        return in_batches(texts, self._provider.batch_size, lambda batch: self._embed(batch, input_type))

    def embed_query(self, text: str) -> Embedding:
        """The embedding of a text that searches."""
        return self._embed([text], self.spec.query_input_type or "search_query")[0]

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _embed(self, texts: Sequence[str], input_type: str) -> list[Embedding]:
        return with_retries(lambda: self._request(texts, input_type), self._policy)

    def _request(self, texts: Sequence[str], input_type: str) -> list[Embedding]:
        model = self.spec.model
        try:
            answer = self._client.embed(texts=list(texts), input_type=input_type, **self._fields)
        except ApiError as error:
            raise failure_of_status(self._provider, model, error.status_code, error.headers or {}, error.body) from None
        except httpx.RequestError as error:
            raise failure_of_network(self._provider, error) from error
        except (TypeError, ValueError) as error:  # what the SDK raises for JSON of a shape that it does not know
            raise self._unreadable() from error
        vectors = getattr(getattr(answer, "embeddings", None), "float_", None)
        if not isinstance(vectors, list):
            raise self._unreadable()
        return checked_embeddings(vectors, len(texts), self.spec.dimension, f"{self._provider.name}/{model}")

    def _unreadable(self) -> EmbeddingFailed:
        return EmbeddingFailed(f"The embedding provider {self._provider.name!r} gave an answer without vectors.")
