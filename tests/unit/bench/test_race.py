"""The race with real worker processes, and what is made of its figures."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from bench.peers import report
from bench.peers.race import EffortRun, Entry, Options, race, worth_timing
from bench.peers.results import gather, hot_bytes
from bench.peers.roster import CONTENDERS, DEFAULT, Contender, chosen
from bench.peers.vector_set import VectorSet, prepare

EXACT = CONTENDERS["exact"]
OPTIONS = Options(cpu=0, peers_python=Path("/nowhere/python"), rounds=2, seconds=0.01, batch_seconds=0.001)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> VectorSet:
    return prepare("items", tmp_path_factory.mktemp("sets"), rows=400, queries=30, k=10)


def finished(name: str, environment: str, points: list[tuple[float, float]]) -> Entry:
    """An entry as if measured: (recall, queries per second) for each effort."""
    entry = Entry(Contender(name, environment, "nothing"))
    entry.build = {"cpu_seconds": 1.0, "wall_seconds": 2.0, "memory_bytes": {}, "memory_growth_bytes": 4_000}
    for recall, qps in points:
        turns = [
            {"wall": 1 / rate, "cpu": 0.5 / rate, "p50": 1 / rate, "p99": 2 / rate} for rate in (qps, 9 * qps, qps)
        ]
        batch = [{"wall": 0.5 / qps, "cpu": 0.5 / qps}]
        work = {"distances": 100.0, "bytes_read": 2_048.0, "detail": {}}
        entry.runs.append(EffortRun(1, recall, recall, qps, work, turns, batch))
    return entry


def test_exact_search_finds_everything_in_a_real_worker(data: VectorSet) -> None:
    said: list[str] = []
    entries = race([EXACT, CONTENDERS["hnswlib"]], data, OPTIONS, said.append)
    results = gather(data, OPTIONS, entries)
    exact, missing = results["contenders"]

    assert exact["failure"] is None
    assert exact["library"]["distribution"] == "numpy"
    assert [point["recall"] for point in exact["points"]] == [1.0]
    assert exact["points"][0]["batch_recall"] == 1.0
    assert exact["at"]["0.95"]["qps"] == pytest.approx(exact["points"][0]["qps"])
    assert exact["at"]["0.95"]["distances"] == 400
    assert hot_bytes(exact) == (400 * 384 * 4, True)
    assert 0 < exact["points"][0]["p50_microseconds"] <= exact["points"][0]["p99_microseconds"]
    assert "make bench-setup" in missing["failure"]
    assert any("make bench-setup" in line for line in said)


def test_a_worker_that_fails_leaves_its_reason(data: VectorSet) -> None:
    broken = Contender("broken", "own", "bench.peers.adapters.absent:Absent")

    entries = race([broken, EXACT], data, OPTIONS, lambda line: None)

    assert "No module named 'bench.peers.adapters.absent'" in (entries[0].failure or "")
    assert entries[1].failure is None


def test_a_command_that_fails_leaves_its_reason(data: VectorSet) -> None:
    broken = Contender("broken", "own", EXACT.adapter, {"unknown": 1})

    assert "unexpected keyword argument 'unknown'" in (
        race([broken], data, OPTIONS, lambda line: None)[0].failure or ""
    )


def test_ratios_are_to_the_anchor_and_to_the_best_peer(data: VectorSet) -> None:
    entries = [
        finished("quire-graph", "own", [(0.95, 600.0)]),
        finished("hnswlib", "peers", [(0.95, 100.0)]),
        finished("other", "peers", [(0.95, 300.0), (0.98, 50.0)]),
    ]

    own, anchor, other = gather(data, OPTIONS, entries)["contenders"]

    assert own["at"]["0.95"]["qps"] == pytest.approx(600)
    assert own["at"]["0.95"]["to_anchor"] == pytest.approx(6)
    assert own["at"]["0.95"]["to_best_peer"] == pytest.approx(2)
    assert anchor["at"]["0.95"]["to_best_peer"] == pytest.approx(1 / 3)
    assert own["batch_at"]["0.95"]["qps"] == pytest.approx(1_200)
    assert own["at"]["0.99"] is None
    assert own["at"]["0.90"]["is_floor"]
    assert other["at"]["0.95"]["to_best_peer"] == pytest.approx(1)


def test_the_cpu_clock_counts_the_processs_own_time() -> None:
    entry = finished("x", "peers", [(0.9, 100.0)])

    assert [point.qps for point in entry.curve("wall")] == [pytest.approx(100)]
    assert [point.qps for point in entry.curve("cpu")] == [pytest.approx(200)]
    assert entry.core_share() == pytest.approx(0.5)
    assert entry.spreads("wall") == [pytest.approx(1 - 1 / 9)]


def test_what_is_beaten_or_far_too_low_is_not_timed() -> None:
    low, lower, good = EffortRun(1, 0.7, 0.7, 900), EffortRun(2, 0.5, 0.5, 999), EffortRun(3, 0.9, 0.9, 800)
    beaten, best = EffortRun(4, 0.89, 0.89, 500), EffortRun(5, 0.99, 0.99, 100)

    assert worth_timing([low, lower, good, beaten, best]) == [low, good, best]


def test_tables_show_every_contender_and_why_one_is_missing(data: VectorSet) -> None:
    absent = Entry(CONTENDERS["svs-lvq"], failure="not on this processor")
    results = gather(data, OPTIONS, [finished("hnswlib", "peers", [(0.95, 1_234.0)]), absent])
    page = report.markdown(results, "picture.svg")
    console = Console(file=io.StringIO(), width=160)
    report.show(console, results)
    printed = console.file.getvalue()

    assert "| hnswlib | 1,234+ | 1.00 | 1.00 | 1,234 | 1.00 | 1.00 | - | - | - | 0.950 |" in page
    assert "| hnswlib | 1.0 | 2.0 | 0.0* | - | 10* | 100 | 2 |" in page
    for text in (page, printed):
        assert "svs-lvq: not measured: not on this processor" in text
        assert "1,234" in text


def test_a_list_of_names_becomes_contenders_and_an_unknown_one_is_named() -> None:
    assert [contender.name for contender in chosen("exact,hnswlib,exact")] == ["exact", "hnswlib"]
    assert {contender.name for contender in chosen(",".join(DEFAULT))} == set(DEFAULT)
    with pytest.raises(SystemExit, match="nonsense"):
        chosen("hnswlib,nonsense")
