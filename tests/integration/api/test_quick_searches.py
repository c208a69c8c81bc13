"""Searches that were measured to be over soon stay on the event loop; all others go to threads; both answer alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from quiredb.api.pace import QUICK_SECONDS, Pace
from quiredb.api.threads import LoopThreads, Result
from quiredb.app import Instance
from quiredb.local import ApplicationTransport


class CountingThreads(LoopThreads):
    """Counts what is handed over."""

    handed_over = 0

    async def run(self, function: Callable[..., Result], *arguments: Any) -> Result:
        self.handed_over += 1
        return await super().run(function, *arguments)


class Told(Pace):
    """As if everything took as long as it is told, whatever this machine does meanwhile."""

    seconds = QUICK_SECONDS / 2

    def took_thread(self, kind: object, seconds: float) -> None:
        super().took_thread(kind, self.seconds)

    def took_loop(self, kind: object, seconds: float) -> None:
        super().took_loop(kind, self.seconds)


@pytest.fixture
def threads() -> CountingThreads:
    return CountingThreads(2, "counting")


@pytest.fixture
def pace() -> Told:
    return Told()


@pytest.fixture
def asked(instance: Instance, threads: CountingThreads, pace: Told, guide: str) -> Iterator[Callable[..., Any]]:
    """Posts a search; answers the response without its time, and whether a thread worked for it."""
    app = instance.api()
    app.state.threads, app.state.pace = threads, pace
    with httpx.Client(base_url="http://test", transport=ApplicationTransport(app, lambda: None)) as client:

        def ask(path: str = "/search", **body: Any) -> tuple[int, Any, bool]:
            before = threads.handed_over
            response = client.post(guide + path, json=body)
            answer = response.json()
            for changing in ("took_ms", "request_id"):
                answer.pop(changing, None)
            return response.status_code, answer, threads.handed_over > before

        yield ask


def test_the_second_search_of_a_kind_stays_on_the_loop_and_finds_the_same(asked: Callable[..., Any]) -> None:
    status, first, handed_over = asked(vector=[1, 2, 3], k=3, include=["text", "embedding", "document"])
    assert (status, handed_over) == (200, True)
    assert len(first["hits"]) == 3
    assert asked(vector=[1, 2, 3], k=3, include=["text", "embedding", "document"]) == (200, first, False)
    assert asked(vector=[3, 2, 1], k=3)[2], "another kind has not been measured"


def test_what_may_take_long_is_always_handed_over(asked: Callable[..., Any]) -> None:
    for _ in range(3):
        assert asked(vector=[1, 2, 3], filter={"page": 1})[::2] == (200, True)
        assert asked(path="/search/batch", searches=[{"vector": [1, 2, 3]}] * 2)[0] == 200
        assert asked(vector=[0.1234567] * 4096)[::2] == (422, True), "a large body"


def test_refusals_are_the_same_on_the_loop(asked: Callable[..., Any]) -> None:
    refused = asked(vector=[1, 2], k=3)
    assert refused[::2] == (422, True)
    asked(vector=[1, 2, 3], k=3)
    assert asked(vector=[1, 2], k=3) == (422, refused[1], False)


def test_slow_searches_leave_the_loop(asked: Callable[..., Any], pace: Told) -> None:
    asked(vector=[1, 2, 3], k=3)
    assert not asked(vector=[1, 2, 3], k=3)[2]
    pace.seconds = 100 * QUICK_SECONDS
    handed_over = [asked(vector=[1, 2, 3], k=3)[2] for _ in range(40)]
    assert handed_over == sorted(handed_over)
    assert handed_over[-1]


def test_failures_that_take_long_leave_the_loop_too(asked: Callable[..., Any], pace: Told) -> None:
    asked(vector=[1, 2, 3], k=3)
    pace.seconds = 100 * QUICK_SECONDS
    handed_over = [asked(vector=[1, 2], k=3)[2] for _ in range(40)]
    assert not handed_over[0]
    assert handed_over[-1]
