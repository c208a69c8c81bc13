"""Costs over sizes: the figures that are taken from results, and the laws through them."""

import pytest

from bench.peers import command_line
from bench.peers.growth import summarise, tables
from bench.peers.results import Results


def run(rows: int, *contenders: Results) -> Results:
    return {
        "set": {"rows": rows, "dimension": 4, "metric": "l2", "about": "made up"},
        "options": {},
        "machine": {},
        "contenders": list(contenders),
    }


def measured(rows: int) -> Results:
    reached = {"qps": 1e6 / rows**0.5, "distances": 3.0 * rows**0.25, "bytes_read": None}
    return {
        "name": "made",
        "failure": None,
        "build": {"cpu_seconds": 2e-6 * rows**1.5, "memory_bytes": {"hot": 1024 * rows}, "memory_growth_bytes": 1},
        "at": {"0.95": reached, "0.99": None},
        "batch_at": {"0.95": reached | {"qps": 2e6 / rows**0.5}, "0.99": None},
    }


def test_exponents_are_found_in_the_results() -> None:
    growth = summarise([run(rows, measured(rows)) for rows in (100, 400, 1_600)], "0.95")
    costs = growth["contenders"]["made"]

    assert growth["sizes"] == [100, 400, 1_600]
    exponents = {name: cost["law"] and cost["law"]["exponent"] for name, cost in costs.items()}
    assert exponents == {
        "build CPU s": pytest.approx(1.5),
        "microseconds a query": pytest.approx(0.5),
        "batch microseconds": pytest.approx(0.5),
        "hot MiB": pytest.approx(1.0),
        "distances": pytest.approx(0.25),
        "KiB read": None,
    }
    assert costs["microseconds a query"]["points"][0] == [100, pytest.approx(10)]
    assert costs["batch microseconds"]["points"][0] == [100, pytest.approx(5)]
    assert costs["hot MiB"]["points"][2] == [1_600, pytest.approx(1.5625)]


def test_what_is_not_reached_or_failed_is_left_out_and_said() -> None:
    failed = {"name": "made", "failure": "out of memory"}
    growth = summarise([run(100, measured(100)), run(400, failed)], "0.99")
    (grid,) = tables(growth)
    rows = {row[0]: row[1:] for row in grid.rows}

    assert growth["failures"] == ["made, 400 rows: not measured: out of memory"]
    assert grid.columns == ("rows", "100", "400", "exponent", "r2")
    assert rows["microseconds a query"] == ("-", "-", "-", "-")
    assert rows["hot MiB"] == ("0.1", "-", "-", "-")


def test_sizes_are_read_as_people_write_them() -> None:
    assert command_line.counts_of("300k,10000,1M,10k") == [10_000, 300_000, 1_000_000]
    with pytest.raises(ValueError, match="many"):
        command_line.count_of("many")
