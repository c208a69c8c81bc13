"""Measure a real server over HTTP: import, search, filters, deletion, kill -9, many clients.

    python -m bench.run                     on data made here (20,000 chunks of 384 dimensions)
    python -m bench.run --data FOLDER       on a data set: vectors.npz (base, query), gt.npz (ids), texts.jsonl.gz
    python -m bench.run --only import,search

Figures go to the terminal and, with --save, to bench/results/<data set>.json together with the machine.
"""

import argparse
import json
import os
import platform
import tempfile
from collections.abc import Callable
from pathlib import Path

from quiredb_client import Client
from rich.console import Console
from rich.table import Table

from bench import concurrency, dataset, measures
from bench.server import Server

_RESULTS = Path(__file__).parent / "results"
_STEPS = ("import", "search", "filter", "delete", "kill", "concurrency")


def main() -> None:
    """Run the chosen steps in order on one server."""
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of a data set; default: made here")
    parser.add_argument("--only", default=",".join(_STEPS), help=f"comma-separated from {', '.join(_STEPS)}")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of the concurrency step")
    parser.add_argument("--save", action="store_true", help="write the figures to bench/results")
    arguments = parser.parse_args()
    data = dataset.load(arguments.data) if arguments.data else dataset.synthetic()
    steps = arguments.only.split(",")
    figures: dict[str, measures.Figures] = {}
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder) / "data") as server, Client(server.url) as client:
        for name, step in _plan(server, client, data, arguments.seconds).items():
            if name in steps:
                figures[name] = step()
                _show(name, figures[name])
    if arguments.save:
        _save(data.name, figures)


def _plan(
    server: Server, client: Client, data: dataset.Dataset, seconds: float
) -> dict[str, Callable[[], measures.Figures]]:
    return {
        "import": lambda: measures.import_all(server, client, data),
        "search": lambda: measures.searches(client, data),
        "filter": lambda: measures.filters(client, data),
        "delete": lambda: measures.delete_half(server, client, data),
        "kill": lambda: measures.killed_import(server, data),
        "concurrency": lambda: concurrency.run(server.url, seconds),
    }


def _show(name: str, figures: measures.Figures) -> None:
    table = Table(title=name, title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    for label, value in figures.items():
        table.add_row(label, f"{value:,}" if isinstance(value, int) else str(value))
    Console().print(table)


def _save(name: str, figures: dict[str, measures.Figures]) -> None:
    machine = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }
    path = _RESULTS / f"{name}.json"
    path.write_text(json.dumps({"machine": machine, "figures": figures}, indent=2) + "\n", encoding="utf-8")
    Console().print(f"saved {path.relative_to(_RESULTS.parent.parent)}")


if __name__ == "__main__":
    main()
