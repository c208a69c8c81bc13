"""How costs grow with the number of rows: build, search, memory, work; with fitted exponents.

python -m bench.peers.growth
python -m bench.peers.growth --rows 10k,30k,100k,300k,1M --contenders quire-graph,hnswlib
"""

import argparse
import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console

from bench.peers import command_line, machine, report, roster, synthetic
from bench.peers.curves import fit_power_law
from bench.peers.race import race
from bench.peers.results import Results, gather, hot_bytes
from bench.peers.vector_set import prepare

COSTS = ("build CPU s", "microseconds a query", "batch microseconds", "hot MiB", "distances", "KiB read")
_LEVELS = ("0.90", "0.95", "0.99")
_COPIES_MOST = 6


def main() -> None:
    """Measure each size, fit, and write growth-SET.json, .md and .svg."""
    arguments = _arguments()
    console = Console()
    console.width = max(console.width, command_line.WIDTH)
    contenders, options = roster.chosen(arguments.contenders), command_line.measuring(arguments)
    dimension = synthetic.RECIPES[arguments.set].dimension
    runs = []
    for rows in arguments.rows:
        if not _fits(rows, dimension):
            console.print(f"{rows:,} rows: left out, there is too little free memory")
            continue
        data = prepare(arguments.set, arguments.cache, rows=rows, queries=arguments.queries, k=options.k)
        console.rule(f"{data.name}: {data.rows:,} x {data.dimension}")
        for contender in contenders:  # one at a time: large indexes need not be in memory together
            entries = race([contender], data, options, lambda line: console.print(line, highlight=False, markup=False))
            runs.append(gather(data, options, entries))
    if not runs:
        raise SystemExit("nothing was measured: give smaller sizes with --rows")
    growth = summarise(runs, arguments.recall)
    grids = tables(growth)
    for grid in grids:
        console.print(report.as_rich(grid))
    path = arguments.out / f"growth-{arguments.set}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(growth, indent=1) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(_markdown(growth, grids, path.stem + ".svg"), encoding="utf-8")
    subprocess.run([arguments.peers_python, "-m", "bench.peers.growth_plot", str(path)], check=True)
    console.print(f"saved {path}, .md, .svg", highlight=False)


def summarise(runs: Sequence[Results], recall: str) -> Results:
    """Of the results of every size: costs at the recall by contender, and the power laws through them."""
    series: dict[str, dict[str, list[list[float]]]] = {}
    failures = []
    for run in runs:
        rows = run["set"]["rows"]
        for contender in run["contenders"]:
            if contender["failure"] is not None:
                failures.append(f"{contender['name']}, {rows:,} rows: not measured: {contender['failure']}")
                continue
            own = series.setdefault(contender["name"], {cost: [] for cost in COSTS})
            for cost, value in _costs(contender, recall).items():
                if value is not None:
                    own[cost].append([rows, value])
    return {
        "set": {name: runs[0]["set"][name] for name in ("dimension", "metric", "about")},
        "options": runs[0]["options"],
        "machine": runs[0]["machine"],
        "recall": recall,
        "sizes": sorted({run["set"]["rows"] for run in runs}),
        "failures": failures,
        "contenders": {
            name: {cost: {"points": points, "law": _law(points)} for cost, points in costs.items()}
            for name, costs in series.items()
        },
        "runs": list(runs),
    }


def tables(growth: Results) -> list[report.Grid]:
    """One table for each contender: a row for each cost, a column for each size, then exponent and r2."""
    sizes = growth["sizes"]
    return [
        report.Grid(
            f"{name}: growth at recall {growth['recall']}",
            ("rows", *(f"{size:,}" for size in sizes), "exponent", "r2"),
            tuple(_row(cost, found, sizes) for cost, found in costs.items()),
        )
        for name, costs in growth["contenders"].items()
    ]


def _costs(contender: Mapping[str, Any], recall: str) -> dict[str, float | None]:
    single, batch = contender["at"][recall], contender["batch_at"][recall]
    read = single and single["bytes_read"]
    return {
        "build CPU s": contender["build"]["cpu_seconds"],
        "microseconds a query": 1e6 / single["qps"] if single else None,
        "batch microseconds": 1e6 / batch["qps"] if batch else None,
        "hot MiB": hot_bytes(contender)[0] / 2**20,
        "distances": single and single["distances"],
        "KiB read": read and read / 1024,
    }


def _law(points: Sequence[Sequence[float]]) -> dict[str, float] | None:
    positive = [(rows, cost) for rows, cost in points if cost > 0]
    law = fit_power_law([rows for rows, _ in positive], [cost for _, cost in positive])
    return asdict(law) if law else None


def _row(cost: str, found: Mapping[str, Any], sizes: Iterable[int]) -> tuple[str, ...]:
    values = dict(found["points"])
    law = found["law"]
    fitted = (f"{law['exponent']:.2f}", f"{law['r2']:.3f}") if law else ("-", "-")
    return cost, *(f"{values[size]:,.1f}" if size in values else "-" for size in sizes), *fitted


def _markdown(growth: Results, grids: Sequence[report.Grid], image: str) -> str:
    data = growth["set"]
    blocks = [f"# Growth ({data['dimension']} dimensions, {data['metric']}, {data['about']})", f"![costs]({image})"]
    for grid in grids:
        blocks += [f"## {grid.title}", report.markdown_table(grid)]
    notes = ["cost = factor * rows ** exponent, by least squares on logarithms.", *growth["failures"]]
    blocks += ["\n".join(f"- {note}" for note in notes), *report.machine_blocks(growth["machine"])]
    return "\n\n".join(blocks) + "\n"


def _fits(rows: int, dimension: int) -> bool:
    return rows * dimension * 4 * _COPIES_MOST < machine.available_bytes()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.peers.growth", description=__doc__.splitlines()[0])
    parser.add_argument("--set", default="passages", choices=tuple(synthetic.RECIPES))
    parser.add_argument("--rows", type=command_line.counts_of, default=command_line.counts_of("10k,30k,100k,300k"))
    parser.add_argument("--contenders", default="quire-graph", help=f"of {', '.join(roster.CONTENDERS)}")
    parser.add_argument("--recall", default="0.95", choices=_LEVELS, help="where searches are compared")
    command_line.add_measuring(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
