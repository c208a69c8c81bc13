"""Any endpoint that speaks OpenAI's embeddings API: POST {url}/embeddings."""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any

import httpx
import numpy as np

from quiredb.domain.chunk import Embedding
from quiredb.domain.errors import EmbeddingFailed
from quiredb.domain.library import EmbedderSpec
from quiredb.embedders.answers import failure_of_network, failure_of_status, required_key
from quiredb.embedders.batches import in_batches
from quiredb.embedders.providers import ProviderConfiguration
from quiredb.embedders.retries import RetryPolicy, with_retries
from quiredb.embedders.vectors import checked_embeddings


class OpenAIEmbedder:
    """Embeds by an OpenAI-compatible endpoint.

    `dimensions` is sent only where the library asks for another dimension than the model's own; `input_type`, which is
    no field of OpenAI's but of several that follow it, only where the configuration names one.
    """

    def __init__(
        self,
        spec: EmbedderSpec,
        provider: ProviderConfiguration,
        policy: RetryPolicy,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.spec = spec
        self._provider = provider
        self._policy = policy
        self._fields: dict[str, object] = {"model": spec.model, "encoding_format": provider.encoding}
        if spec.dimension != provider.models[spec.model].dimension:
            self._fields["dimensions"] = spec.dimension
        headers = {"authorization": f"Bearer {required_key(provider)}"} if provider.api_key_names else {}
        self._http = httpx.Client(timeout=provider.timeout_seconds, transport=transport, headers=headers)

    def embed_documents(self, texts: Sequence[str]) -> list[Embedding]:
        """One embedding for each text, in order."""
        input_type = self.spec.document_input_type
        return in_batches(texts, self._provider.batch_size, lambda batch: self._embed(batch, input_type))

    def embed_query(self, text: str) -> Embedding:
        """The embedding of a text that searches."""
        return self._embed([text], self.spec.query_input_type)[0]

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _embed(self, texts: Sequence[str], input_type: str | None) -> list[Embedding]:
        return with_retries(lambda: self._request(texts, input_type), self._policy)

    def _request(self, texts: Sequence[str], input_type: str | None) -> list[Embedding]:
        fields = self._fields | {"input": list(texts)} | ({} if input_type is None else {"input_type": input_type})
        try:
            response = self._http.post(f"{self._provider.url}/embeddings", json=fields)
        except httpx.RequestError as error:
            raise failure_of_network(self._provider, error) from error
        if response.status_code != httpx.codes.OK:
            body = _json(response)
            raise failure_of_status(
                self._provider, self.spec.model, response.status_code, response.headers, body or response.text
            )
        vectors = self._vectors(_json(response))
        source = f"{self._provider.name}/{self.spec.model}"
        return checked_embeddings(vectors, len(texts), self.spec.dimension, source)

    def _vectors(self, answer: Any) -> list[Any]:
        try:
            items = sorted(answer["data"], key=lambda item: item["index"])
            return [_vector(item["embedding"]) for item in items]
        except (KeyError, TypeError, binascii.Error, ValueError):
            raise EmbeddingFailed(
                f"The embedding provider {self._provider.name!r} gave an answer that is not in the OpenAI format. "
                "Correct its url in the server's embedder configuration."
            ) from None


def _vector(value: object) -> object:
    if isinstance(value, str):
        return np.frombuffer(base64.b64decode(value, validate=True), dtype="<f4")
    return value


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        return None
