"""The process that holds one index: reads a command a line from standard input, answers a line each.

    python -m bench.peers.worker ADAPTER METRIC FOLDER PARAMETERS

A failure ends the process with its traceback on standard error, which the parent reports.
"""

import ctypes
import gc
import importlib
import importlib.metadata
import itertools
import json
import os
import platform
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from bench.peers.adapters.contract import Adapter, Effort

_WARM_UP_QUERIES = 50
_QUERIES_A_LOOK = 16
_CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}

Answer = dict[str, Any]


class Bench:
    """One index and what is asked of it."""

    def __init__(self, adapter: Adapter, folder: Path) -> None:
        self._adapter = adapter
        self._base = np.asarray(np.load(folder / "base.npy", mmap_mode="r"))
        self._queries = np.load(folder / "queries.npy")
        self._truth = np.load(folder / "truth.npy")
        self._rows = list(self._queries)

    def build(self, k: int) -> Answer:
        """Index the mapped rows, which are read once before so that the disk is no part of it."""
        self._base.sum()
        before, wall, cpu = _anonymous_bytes(), time.perf_counter(), time.process_time()
        self._adapter.build(self._base)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        grown = _anonymous_bytes() - before
        gc.freeze()
        gc.disable()
        return {
            "wall_seconds": wall,
            "cpu_seconds": cpu,
            "memory_bytes": self._adapter.memory_bytes(),
            "memory_growth_bytes": grown,
            "efforts": list(self._adapter.efforts(k)),
        }

    def probe(self, effort: Effort, k: int) -> Answer:
        """Recall over all queries, one at a time and as one batch; the rate on the way is a rough one."""
        self._adapter.choose(effort)
        started = time.perf_counter()
        found = [self._adapter.search(query, k) for query in self._rows]
        seconds = time.perf_counter() - started
        together = self._adapter.search_batch(self._queries, k)
        return {
            "recall": recall(found, self._truth, k),
            "batch_recall": recall(together, self._truth, k),
            "rough_qps": len(found) / seconds,
        }

    def work(self, effort: Effort, k: int) -> Answer:
        """What the library counts for one query."""
        self._adapter.choose(effort)
        return asdict(self._adapter.work(self._queries, k))

    def single(self, effort: Effort, k: int, seconds: float, clock: str, first: int) -> Answer:
        """One query at a time for some seconds of the clock, beginning at query `first`."""
        self._adapter.choose(effort)
        search, tick, spent = self._adapter.search, time.perf_counter, _CLOCKS[clock]
        start = first % len(self._rows)
        turns = itertools.cycle(self._rows[start:] + self._rows[:start])
        for query in itertools.islice(turns, _WARM_UP_QUERIES):
            search(query, k)
        times: list[float] = []
        end, cpu, before = spent() + seconds, time.process_time(), tick()
        while spent() < end:
            now = tick()
            for query in itertools.islice(turns, _QUERIES_A_LOOK):
                search(query, k)
                after = tick()
                times.append(after - now)
                now = after
        wall, cpu = tick() - before, time.process_time() - cpu
        p50, p99 = np.quantile(times, (0.5, 0.99))
        return {"wall": wall / len(times), "cpu": cpu / len(times), "p50": float(p50), "p99": float(p99)}

    def batch(self, effort: Effort, k: int, seconds: float, clock: str) -> Answer:
        """All queries in one call, again until some seconds of the clock are over."""
        self._adapter.choose(effort)
        spent, count = _CLOCKS[clock], 0
        end, cpu, before = spent() + seconds, time.process_time(), time.perf_counter()
        while count == 0 or spent() < end:
            self._adapter.search_batch(self._queries, k)
            count += len(self._queries)
        return {"wall": (time.perf_counter() - before) / count, "cpu": (time.process_time() - cpu) / count}


def recall(found: Any, truth: Any, k: int) -> float:
    """The mean share of the k true neighbours that were found."""
    pairs = zip(found, truth, strict=True)
    return float(np.mean([len(set(np.asarray(ids).tolist()) & set(true[:k].tolist())) / k for ids, true in pairs]))


def _anonymous_bytes() -> int:
    """The process's own memory, without mapped files, after giving back what the allocator holds in reserve."""
    gc.collect()
    status = Path("/proc/self/status")
    if not status.is_file():
        return 0
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)
    fields = dict(line.split(":", 1) for line in status.read_text(encoding="ascii").splitlines())
    return int(fields["RssAnon"].split()[0]) * 1024


def main() -> None:
    """Make the adapter, say who it is, then answer until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # a library that prints must not break the protocol
    where, metric, folder, parameters = sys.argv[1:]
    module, name = where.split(":")
    kind = getattr(importlib.import_module(module), name)
    dimension = int(np.load(Path(folder) / "base.npy", mmap_mode="r").shape[1])
    bench = Bench(kind(metric, dimension, **json.loads(parameters)), Path(folder))
    hello = {"version": importlib.metadata.version(kind.distribution), "python": platform.python_version()}
    print(json.dumps(hello | {"distribution": kind.distribution}), file=answers, flush=True)
    for line in sys.stdin:
        command, options = json.loads(line)
        print(json.dumps(getattr(bench, command)(**options)), file=answers, flush=True)


if __name__ == "__main__":
    main()
