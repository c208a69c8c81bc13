"""Options that the race and the growth have in common."""

import argparse
from pathlib import Path

from bench.peers import machine
from bench.peers.race import Options
from bench.peers.worker_process import PEERS_PYTHON

RESULTS = Path("bench/results")
CACHE = Path("bench/data")
WIDTH = 125
"""Columns of the terminal that the tables need."""


def add_measuring(parser: argparse.ArgumentParser) -> None:
    """How to measure, and where files are kept."""
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.25, help="of single queries, for an effort and a round")
    parser.add_argument("--batch-seconds", type=float, default=0.1, help="of batches, for an effort and a round")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu: on a core that others use too")
    parser.add_argument("--cpu", type=int, default=machine.last_core(), help="the core that every worker is pinned to")
    parser.add_argument("--peers-python", type=Path, default=PEERS_PYTHON, help="made by make bench-setup")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where sets and their exact neighbours are kept")
    parser.add_argument("--out", type=Path, default=RESULTS)


def measuring(arguments: argparse.Namespace) -> Options:
    """The options that were given."""
    return Options(
        arguments.cpu,
        arguments.peers_python,
        arguments.k,
        arguments.rounds,
        arguments.seconds,
        arguments.batch_seconds,
        arguments.clock,
    )


def count_of(text: str) -> int:
    """A number of rows as people write it: 30000, 30k, 1M. Raises ValueError for anything else."""
    units = {"k": 1_000, "M": 1_000_000}
    return int(text[:-1]) * units[text[-1]] if text[-1:] in units else int(text)


def counts_of(text: str) -> list[int]:
    """A comma-separated list of numbers of rows, from small to large."""
    return sorted({count_of(part) for part in text.split(",")})
