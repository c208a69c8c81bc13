"""Builds every index, then measures all of them in turn, round after round, on one core."""

import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from bench.peers.adapters.contract import Effort
from bench.peers.curves import CurvePoint, spread
from bench.peers.roster import Contender
from bench.peers.vector_set import VectorSet
from bench.peers.worker_process import Worker, WorkerEnded

_RECALL_ENOUGH = 0.9975
_RECALL_FROM = 0.80

Say = Callable[[str], None]
Clock = Literal["wall", "cpu"]


@dataclass(frozen=True, slots=True)
class Options:
    """How it is measured. `clock`: wall time, or the process's CPU time when the core has to be shared."""

    cpu: int
    peers_python: Path
    k: int = 10
    rounds: int = 3
    seconds: float = 0.25
    batch_seconds: float = 0.1
    clock: Clock = "wall"


@dataclass(slots=True)
class EffortRun:
    """One effort of one contender: recall, work, and the seconds per query of each round."""

    effort: Effort
    recall: float
    batch_recall: float
    rough_qps: float
    work: dict[str, Any] = field(default_factory=dict)
    single: list[dict[str, float]] = field(default_factory=list)
    batch: list[dict[str, float]] = field(default_factory=list)


@dataclass(slots=True)
class Entry:
    """What is known of one contender; `failure` says why it was not measured."""

    contender: Contender
    library: dict[str, str] = field(default_factory=dict)
    build: dict[str, Any] = field(default_factory=dict)
    runs: list[EffortRun] = field(default_factory=list)
    failure: str | None = None

    def curve(self, clock: Clock) -> list[CurvePoint]:
        """One query at a time: medians over rounds."""
        return [
            CurvePoint(
                run.recall,
                1 / statistics.median(turn[clock] for turn in run.single),
                run.work.get("distances"),
                run.work.get("bytes_read"),
            )
            for run in self.runs
            if run.single
        ]

    def batch_curve(self, clock: Clock) -> list[CurvePoint]:
        """All queries in one call: medians over rounds."""
        return [
            CurvePoint(run.batch_recall, 1 / statistics.median(turn[clock] for turn in run.batch))
            for run in self.runs
            if run.batch
        ]

    def spreads(self, clock: Clock) -> list[float]:
        """For each effort, how much its rounds differ."""
        return [spread([turn[clock] for turn in run.single]) for run in self.runs if run.single]

    def core_share(self) -> float:
        """CPU time over wall time in the timed loops: below 1, others used the core."""
        turns = [turn for run in self.runs for turn in run.single]
        return sum(turn["cpu"] for turn in turns) / sum(turn["wall"] for turn in turns) if turns else 1.0


def race(contenders: Sequence[Contender], data: VectorSet, options: Options, say: Say) -> list[Entry]:
    """Measure the contenders on the set. One that fails keeps the reason, and the others go on."""
    entries = [Entry(contender) for contender in contenders]
    with ExitStack() as stack:
        running: list[tuple[Entry, Worker]] = []
        for entry in entries:
            worker = _prepare(entry, data, options, stack, say)
            if worker is not None:
                running.append((entry, worker))
        for number in range(options.rounds):
            say(f"round {number + 1} of {options.rounds}")
            for entry, worker in running:
                if entry.failure is None:
                    _round(entry, worker, number, data, options)
    return entries


def _prepare(entry: Entry, data: VectorSet, options: Options, stack: ExitStack, say: Say) -> Worker | None:
    name = entry.contender.name
    try:
        worker = stack.enter_context(Worker(entry.contender, data, options.cpu, options.peers_python))
        entry.library = worker.hello
        entry.build = worker.ask("build", k=options.k)
        entry.runs = _probe(worker, entry.build.pop("efforts"), options.k)
    except WorkerEnded as error:
        entry.failure = str(error)
        say(f"{name}: not measured: {entry.failure}")
        return None
    best = max(run.recall for run in entry.runs)
    say(f"{name}: built in {entry.build['cpu_seconds']:.1f} s; {len(entry.runs)} efforts, recall up to {best:.3f}")
    return worker


def _probe(worker: Worker, efforts: Sequence[Effort], k: int) -> list[EffortRun]:
    runs: list[EffortRun] = []
    for effort in efforts:
        runs.append(EffortRun(effort, **worker.ask("probe", effort=effort, k=k)))
        if isinstance(effort, int) and runs[-1].recall >= _RECALL_ENOUGH:
            break
    kept = worth_timing(runs)
    for run in kept:
        run.work = worker.ask("work", effort=run.effort, k=k)
    return kept


def worth_timing(runs: Sequence[EffortRun]) -> list[EffortRun]:
    """Without what another effort clearly beats, and of those under recall 0.80 only the best."""
    low = max((run.recall for run in runs if run.recall < _RECALL_FROM), default=0.0)

    def is_beaten(run: EffortRun) -> bool:
        return any(other.recall > run.recall + 0.002 and other.rough_qps > 1.3 * run.rough_qps for other in runs)

    return [run for run in runs if run.recall >= low and not is_beaten(run)]


def _round(entry: Entry, worker: Worker, number: int, data: VectorSet, options: Options) -> None:
    first = number * data.queries // options.rounds
    shared = {"k": options.k, "clock": options.clock}
    try:
        for run in entry.runs:
            how = shared | {"effort": run.effort}
            run.single.append(worker.ask("single", **how, seconds=options.seconds, first=first))
            run.batch.append(worker.ask("batch", **how, seconds=options.batch_seconds))
    except WorkerEnded as error:
        entry.failure = str(error)
