"""Token buckets against a clock that goes when it is told to."""

from __future__ import annotations

from quiredb.domain.rates import TokenBuckets


def test_a_burst_then_the_rate() -> None:
    now = [100.0]
    buckets = TokenBuckets(2.0, 4, lambda: now[0])

    assert [buckets.take("a") for _ in range(4)] == [0.0] * 4
    assert buckets.take("a") == 0.5
    assert buckets.take("b") == 0.0
    now[0] += 0.25
    assert buckets.take("a") == 0.25
    now[0] += 0.25
    assert buckets.take("a") == 0.0
    now[0] += 1000
    assert [buckets.take("a") for _ in range(5)] == [0.0, 0.0, 0.0, 0.0, 0.5]


def test_owners_are_forgotten_the_longest_ago_first() -> None:
    buckets = TokenBuckets(0.001, 1, lambda: 0.0)
    assert buckets.take("first") == 0.0
    for number in range(9_999):
        buckets.take(str(number))
    assert buckets.take("first") > 0
    for number in range(10_000):
        buckets.take(f"other {number}")
    assert buckets.take("first") == 0.0
