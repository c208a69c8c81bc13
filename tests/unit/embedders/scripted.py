"""A provider that answers from a script, and a clock that only remembers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from quiredb.embedders.retries import RetryPolicy

KEY = "secret-key-of-the-test"

Step = httpx.Response | Exception | Callable[[dict[str, Any]], httpx.Response]


@dataclass
class ScriptedProvider:
    """Answers request after request from `steps`; the last step repeats. Keeps what it was asked."""

    steps: list[Step]
    requests: list[httpx.Request] = field(default_factory=list)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(request.content) for request in self.requests]

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        request.read()
        step = self.steps[min(len(self.requests), len(self.steps) - 1)]
        self.requests.append(request)
        if isinstance(step, Exception):
            raise step
        return step(json.loads(request.content)) if callable(step) else step


@dataclass
class RecordedWaits:
    """A policy whose sleeps are only written down; its random number is always 1, so that delays are the ceilings."""

    slept: list[float] = field(default_factory=list)

    def policy(self, **changes: Any) -> RetryPolicy:
        return RetryPolicy(sleep=self.slept.append, random=lambda: 1.0, **changes)


def vector_of(text: str, dimension: int) -> list[float]:
    """A vector that tells which text it belongs to; its components are exact in float32."""
    return [float(len(text)), *[float(ord(character) % 128) for character in text.ljust(dimension)[: dimension - 1]]]
