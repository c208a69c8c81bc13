"""The header Retry-After and the back-off between attempts."""

from __future__ import annotations

import email.utils
import time

import pytest

from quiredb.domain.errors import EmbeddingFailed
from quiredb.embedders.answers import retry_after_seconds
from quiredb.embedders.retries import RetryPolicy, TemporarilyFailed, with_retries


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("0", 0.0), (" 12 ", 12.0), ("", None), ("soon", None), ("-1", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0)],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    assert retry_after_seconds({"Retry-After": value}) == seconds


def test_retry_after_as_a_date_counts_from_now() -> None:
    date = email.utils.formatdate(time.time() + 100, usegmt=True)

    assert retry_after_seconds({"retry-after": date}) == pytest.approx(100, abs=5)


def test_delays_double_are_capped_and_jittered_down_to_nothing() -> None:
    for random, expected in ((1.0, [1.0, 2.0, 3.0, 3.0]), (0.0, [0.0] * 4), (0.5, [0.5, 1.0, 1.5, 1.5])):
        slept: list[float] = []
        policy = RetryPolicy(5, 1.0, 3.0, 100.0, slept.append, lambda random=random: random)

        with pytest.raises(EmbeddingFailed):
            with_retries(fail, policy)

        assert slept == expected


def test_patience_bounds_the_sum_of_all_waits() -> None:
    slept: list[float] = []
    policy = RetryPolicy(100, 4.0, 4.0, 10.0, slept.append, lambda: 1.0)

    with pytest.raises(EmbeddingFailed):
        with_retries(fail, policy)

    assert slept == [4.0, 4.0]


def fail() -> None:
    raise TemporarilyFailed("down.")
