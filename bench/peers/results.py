"""What a run found, as plain data: written as JSON, read again by the report and the plot."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from bench.peers import machine
from bench.peers.curves import LEVELS, AtRecall, CurvePoint, at_recall
from bench.peers.race import Clock, EffortRun, Entry, Options
from bench.peers.roster import ANCHOR
from bench.peers.vector_set import VectorSet

Results = dict[str, Any]


def gather(data: VectorSet, options: Options, entries: Sequence[Entry]) -> Results:
    """Everything measured, with the rates at the levels of recall and their ratios to the anchor and the best peer."""
    measured = [entry for entry in entries if entry.failure is None]
    single = {entry.contender.name: entry.curve(options.clock) for entry in measured}
    batch = {entry.contender.name: entry.batch_curve(options.clock) for entry in measured}
    peers = {entry.contender.name for entry in measured if entry.contender.environment == "peers"}
    spreads = [value for entry in measured for value in entry.spreads(options.clock)]
    return {
        "set": {key: value for key, value in asdict(data).items() if key != "folder"},
        "options": {name: getattr(options, name) for name in ("k", "rounds", "seconds", "batch_seconds", "clock")},
        "machine": machine.describe() | {"pinned to core": options.cpu},
        "noise": {
            "median spread of rounds": statistics.median(spreads) if spreads else None,
            "worst spread of rounds": max(spreads, default=None),
            "share of the core": statistics.fmean(entry.core_share() for entry in measured) if measured else None,
        },
        "contenders": [
            _described(entry, options.clock)
            | ({} if entry.failure else {"at": _levels(entry, single, peers), "batch_at": _levels(entry, batch, peers)})
            for entry in entries
        ],
    }


def _described(entry: Entry, clock: Clock) -> Results:
    contender = entry.contender
    described: Results = {
        "name": contender.name,
        "is_own": contender.is_own,
        "parameters": dict(contender.parameters),
        "library": entry.library,
        "failure": entry.failure,
    }
    if entry.failure is None:
        described |= {"build": entry.build, "points": [_point(run, clock) for run in entry.runs]}
    return described


def _point(run: EffortRun, clock: Clock) -> Results:
    return {
        "effort": run.effort,
        "recall": run.recall,
        "qps": 1 / statistics.median(turn[clock] for turn in run.single),
        "rounds_qps": [1 / turn[clock] for turn in run.single],
        "p50_microseconds": 1e6 * statistics.median(turn["p50"] for turn in run.single),
        "p99_microseconds": 1e6 * statistics.median(turn["p99"] for turn in run.single),
        "batch_recall": run.batch_recall,
        "batch_qps": 1 / statistics.median(turn[clock] for turn in run.batch),
        "work": run.work,
    }


def _levels(entry: Entry, curves: Mapping[str, Sequence[CurvePoint]], peers: set[str]) -> Results:
    own = curves[entry.contender.name]
    return {f"{level:.2f}": _level(at_recall(own, level), level, curves, peers) for level in LEVELS}


def _level(
    reached: AtRecall | None, level: float, curves: Mapping[str, Sequence[CurvePoint]], peers: set[str]
) -> Results | None:
    if reached is None:
        return None
    anchor = at_recall(curves.get(ANCHOR, ()), level)
    rates = [rate.qps for name in peers if (rate := at_recall(curves[name], level)) is not None]
    return asdict(reached) | {
        "to_anchor": reached.qps / anchor.qps if anchor else None,
        "to_best_peer": reached.qps / max(rates) if rates else None,
    }


def hot_bytes(contender: Mapping[str, Any]) -> tuple[int, bool]:
    """What a search needs in memory, and whether the library says so itself (else: how much the process grew)."""
    reported = contender["build"]["memory_bytes"].get("hot")
    return (reported, True) if reported is not None else (contender["build"]["memory_growth_bytes"], False)
