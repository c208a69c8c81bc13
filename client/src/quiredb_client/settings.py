"""How a client is set up: arguments first, then the environment, then the defaults."""

from __future__ import annotations

import os
from collections.abc import Mapping

import httpx

DEFAULT_URL = "http://127.0.0.1:7333"
DEFAULT_TIMEOUT = httpx.Timeout(60.0, connect=5.0)


def base_url(url: str | None) -> str:
    """The server's address: the argument, `QUIRE_URL`, or the loopback default.

    Raises:
        ValueError: not an http or https address.
    """
    address = url or os.environ.get("QUIRE_URL") or DEFAULT_URL
    if not address.startswith(("http://", "https://")):
        raise ValueError(f"{address!r} is not a server address: it starts with http:// or https://")
    return address.rstrip("/")


def request_headers(api_key: str | None, headers: Mapping[str, str] | None, version: str) -> dict[str, str]:
    """Headers of every request; the key comes from the argument or from `QUIRE_API_KEY`."""
    merged = {"user-agent": f"quiredb-client/{version}", "accept": "application/json"}
    key = api_key or os.environ.get("QUIRE_API_KEY")
    if key:
        merged["authorization"] = f"Bearer {key}"
    return merged | {name.lower(): value for name, value in (headers or {}).items()}


def timeouts(timeout: float | httpx.Timeout | None) -> httpx.Timeout:
    """Four timeouts from a number of seconds for each; None never times out."""
    return timeout if isinstance(timeout, httpx.Timeout) else httpx.Timeout(timeout)


def shortened(timeout: httpx.Timeout, remaining: float) -> httpx.Timeout:
    """The same timeouts, none longer than the `remaining` seconds."""
    parts = {
        name: remaining if seconds is None else min(seconds, remaining) for name, seconds in timeout.as_dict().items()
    }
    return httpx.Timeout(**parts)
