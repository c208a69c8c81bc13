"""Measure searches with filters on every share of rows, however they go with the query.

python -m bench.filters                          on 100,000 rows made here
python -m bench.filters --data FOLDER            on a folder with vectors.npz
python -m bench.filters --rows 20k --check       and fail where a cell does not keep what is promised
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from bench.filter_grid import KINDS, Cell, grid
from bench.peers import command_line, report, synthetic
from bench.peers.machine import describe
from bench.peers.vector_set import prepare
from quiredb.indexes import VectorIndex

LEAST_RECALL = 0.95
MOST_MULTIPLE = 3.0
CROWDED = frozenset({("far", 0.5), ("far", 0.1)})
"""Kinds and shares whose nearest allowed rows are too many at one distance for any bound on time but a scan's."""
_HEADINGS = ("allowed", "filter", "k", "recall", "hits", "µs", "times unfiltered", "plans")


def main() -> None:
    """Measure, print, save filters-NAME.json and .md; with --check exit with what went wrong."""
    arguments = _arguments()
    console = Console(width=command_line.WIDTH)
    rows = arguments.rows or (100_000 if arguments.data in synthetic.RECIPES else None)
    data = prepare(arguments.data, arguments.cache, rows=rows, queries=arguments.queries, k=100)
    base, queries = np.load(data.folder / "base.npy"), np.load(data.folder / "queries.npy")
    index = VectorIndex.build(base, data.metric, arguments.kind, threads=2)
    console.rule(f"{data.name}: {data.rows:,} x {data.dimension}, {data.metric}, {index.kind}")
    cells = []
    for cell in grid(index, queries, recall=arguments.recall):
        cells.append(cell)
        console.print("  ".join(_line(cell)), highlight=False)
    results = {"set": data.name, "kind": index.kind, "machine": describe(), "cells": [asdict(cell) for cell in cells]}
    tables = _tables(cells)
    for table in reversed(tables):
        console.print(report.as_rich(table))
    _save(arguments.out / f"filters-{data.name}.json", results, tables)
    if arguments.check and (broken := complaints(cells)):
        raise SystemExit("\n".join(broken))


def complaints(cells: list[Cell]) -> list[str]:
    """What is not kept, in words: recall and hits in every cell, time in all that are not crowded."""
    broken = []
    for cell in cells:
        name = f"{cell.share:.2%} {cell.kind} k={cell.k}"
        if cell.recall < LEAST_RECALL:
            broken.append(f"{name}: recall {cell.recall:.3f}")
        if cell.hits < 1:
            broken.append(f"{name}: only {cell.hits:.0%} of the hits there could be")
        if cell.multiple > MOST_MULTIPLE and (cell.kind, cell.share) not in CROWDED:
            broken.append(f"{name}: {cell.multiple:.1f} times the unfiltered search")
    return broken


def _line(cell: Cell) -> tuple[str, ...]:
    plans = ", ".join(f"{plan} {times}" for plan, times in cell.plans.items())
    return (
        f"{cell.share:.2%}", cell.kind, str(cell.k), f"{cell.recall:.3f}", f"{cell.hits:.0%}",
        f"{1e6 * cell.seconds:.0f}", f"{cell.multiple:.1f}", plans,
    )  # fmt: skip


def _tables(cells: list[Cell]) -> list[report.Grid]:
    headings, *lines = summary(cells)
    title = "the lowest recall and the longest time of any k, in unfiltered searches"
    return [report.Grid(title, headings, tuple(lines)), report.Grid("all cells", _HEADINGS, tuple(map(_line, cells)))]


def _save(path: Path, results: dict[str, Any], tables: list[report.Grid]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    parts = (f"# Filters on {results['set']} ({results['kind']})", *map(report.markdown_table, tables))
    path.with_suffix(".md").write_text("\n\n".join(parts) + "\n", "utf-8")


def summary(cells: list[Cell]) -> list[tuple[str, ...]]:
    """The lowest recall and the highest multiple of any k, by share and kind of filter, under headings."""
    lines: list[tuple[str, ...]] = [("allowed", *KINDS)]
    for share in dict.fromkeys(cell.share for cell in cells):
        line = [f"{share:.2%}"]
        for kind in KINDS:
            group = [cell for cell in cells if (cell.share, cell.kind) == (share, kind)]
            recall, multiple = min(cell.recall for cell in group), max(cell.multiple for cell in group)
            line.append(f"{recall:.3f}, {multiple:.1f} x")
        lines.append(tuple(line))
    return lines


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.filters", description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="passages", help="a set made here, or a folder")
    parser.add_argument("--rows", type=command_line.count_of, help="only the first ones")
    parser.add_argument("--queries", type=int, default=48)
    parser.add_argument("--kind", default="graph", help="graph, ivf, flat or auto")
    parser.add_argument("--recall", type=float, help="the recall to ask for (the default of searches)")
    parser.add_argument("--check", action="store_true", help="fail where a cell does not keep what is promised")
    parser.add_argument("--cache", type=Path, default=command_line.CACHE)
    parser.add_argument("--out", type=Path, default=command_line.RESULTS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
