"""Instants: what is one, and that text and microseconds go both ways."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiredb.domain.times import format_instant, from_microseconds, now, parse_instant, to_microseconds

OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
EARLIEST, LATEST = (datetime(*date, tzinfo=UTC).replace(tzinfo=None) for date in ((1, 1, 2), (9999, 12, 30)))
INSTANTS = st.datetimes(EARLIEST, LATEST, timezones=OFFSETS)


@given(INSTANTS)
def test_round_trips(instant: datetime) -> None:
    assert parse_instant(format_instant(instant)) == instant
    assert from_microseconds(to_microseconds(instant)) == instant
    assert parse_instant(instant.isoformat()) == instant


@given(INSTANTS, INSTANTS)
def test_text_and_microseconds_sort_like_time(first: datetime, second: datetime) -> None:
    earlier = first < second
    assert (to_microseconds(first) < to_microseconds(second)) is earlier
    assert (format_instant(first) < format_instant(second)) is earlier


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-01T00:00:00Z", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01t00:00:00z", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01T00:00:00-00:00", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01T05:30:00.5+05:30", datetime(2026, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-01-01T00:00:00.123456789Z", datetime(2026, 1, 1, 0, 0, 0, 123_456, tzinfo=UTC)),
        ("2024-02-29T23:59:59Z", datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_date_times(text: str, expected: datetime) -> None:
    assert parse_instant(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-01-01 00:00:00Z",
        "2026-01-01T00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T23:59:60Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00.1234567890Z",
        "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00+0100",
        "2026-01-01T00:00:00Z\n",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "２０２６-01-01T00:00:00Z",
    ],
)
def test_what_is_no_date_time(text: str) -> None:
    assert parse_instant(text) is None


def test_early_years_keep_four_digits() -> None:
    assert format_instant(datetime(7, 1, 1, tzinfo=UTC)) == "0007-01-01T00:00:00.000000Z"


def test_now_is_aware() -> None:
    assert now().utcoffset() == timedelta(0)
