"""What the HTTP answer of a provider means: try again, correct the configuration, or give up."""

import email.utils
import time
from collections.abc import Mapping

from quiredb.domain.errors import EmbedderNotConfigured, EmbeddingFailed
from quiredb.embedders.providers import ProviderConfiguration
from quiredb.embedders.retries import TemporarilyFailed

_TEMPORARY = frozenset({408, 425, 429, 500, 502, 503, 504})
_MESSAGE_CHARACTERS_MAX = 200


def required_key(provider: ProviderConfiguration) -> str:
    """The provider's key.

    Raises:
        EmbedderNotConfigured: the environment holds none.
    """
    if provider.api_key is not None:
        return provider.api_key
    raise EmbedderNotConfigured(
        f"There is no key for the embedding provider {provider.name!r}. Set {provider.key_names()} in the server's "
        "environment and start it again, or send vectors yourself."
    )


def failure_of_status(
    provider: ProviderConfiguration, model: str, status: int | None, headers: Mapping[str, str], body: object
) -> EmbeddingFailed:
    """The error for an answer with `status`. The provider's own words are quoted, shortened, without the key."""
    source = f"The embedding provider {provider.name!r}"
    said = _message(body, provider.api_key)
    if status in {401, 403}:
        return EmbedderNotConfigured(
            f"{source} refused the server's key (HTTP {status}{said}). Correct {provider.key_names()} in the "
            "server's environment and start it again."
        )
    if status == 404:
        return EmbedderNotConfigured(
            f"{source} does not know the model {model!r} or the address (HTTP 404{said}). Correct the server's "
            "embedder configuration."
        )
    if status == 429:
        return TemporarilyFailed(
            f"{source} limits the rate of requests (HTTP 429{said}).", after_seconds=retry_after_seconds(headers)
        )
    if status in _TEMPORARY:
        return TemporarilyFailed(
            f"{source} is failing (HTTP {status}{said}).", after_seconds=retry_after_seconds(headers)
        )
    if status is not None and status < 300:
        return EmbeddingFailed(f"{source} gave an answer that cannot be read. Correct its url in the configuration.")
    refused = f"{source} refused the texts (HTTP {status}"
    return EmbeddingFailed(f"{refused}{said}).", unquoted=f"{refused}).")


def failure_of_network(provider: ProviderConfiguration, cause: Exception) -> TemporarilyFailed:
    """The error for a provider that could not be reached, did not answer in time, or broke the connection."""
    return TemporarilyFailed(
        f"The embedding provider {provider.name!r} cannot be reached ({type(cause).__name__}). Check the server's "
        "network, or send vectors yourself."
    )


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """The wait that the header Retry-After asks for (RFC 9110, 10.2.3: seconds or a date), None without one."""
    value = next((value for name, value in headers.items() if name.lower() == "retry-after"), "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    date = email.utils.parsedate_tz(value) if value else None
    if date is None:
        return None
    return max(0.0, email.utils.mktime_tz(date) - time.time())


def _message(body: object, key: str | None) -> str:
    text = _words(body)
    if key:
        text = text.replace(key, "[key]")
    text = " ".join(text.split())
    if not text:
        return ""
    shortened = text if len(text) <= _MESSAGE_CHARACTERS_MAX else text[: _MESSAGE_CHARACTERS_MAX - 3] + "..."
    return f": {shortened}"


def _words(body: object) -> str:
    if isinstance(body, str):
        return body
    if not isinstance(body, Mapping):
        return ""
    for name in ("message", "detail", "error"):
        if name in body:
            return _words(body[name])
    return ""
