"""Measure Quire's index and other libraries side by side.

python -m bench.peers                                  on four sets made here
python -m bench.peers --data passages,FOLDER           on one of them, and on a folder with vectors.npz
python -m bench.peers --contenders quire-graph,hnswlib --rows 10000 --rounds 1
"""

import argparse
import json
import subprocess
from pathlib import Path

from rich.console import Console

from bench.peers import machine, report, roster, synthetic
from bench.peers.race import Options, race
from bench.peers.results import gather
from bench.peers.vector_set import prepare
from bench.peers.worker_process import PEERS_PYTHON

RESULTS = Path("bench/results")
CACHE = Path("bench/data")
ROWS = 20_000
_WIDTH = 125


def main() -> None:
    """Measure each set, and write peers-NAME.json, .md and .svg."""
    arguments = _arguments()
    console, contenders = Console(), roster.chosen(arguments.contenders)
    console.width = max(console.width, _WIDTH)
    options = Options(
        arguments.cpu,
        arguments.peers_python,
        arguments.k,
        arguments.rounds,
        arguments.seconds,
        arguments.batch_seconds,
        arguments.clock,
    )
    for source in arguments.data.split(","):
        rows = arguments.rows or (ROWS if source in synthetic.RECIPES else None)
        data = prepare(source, arguments.cache, rows=rows, queries=arguments.queries, k=arguments.k)
        console.rule(f"{data.name}: {data.rows:,} x {data.dimension}, {data.metric}, {data.about}")
        entries = race(contenders, data, options, lambda line: console.print(line, highlight=False, markup=False))
        results = gather(data, options, entries)
        report.show(console, results)
        path = arguments.out / f"peers-{data.name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        path.with_suffix(".md").write_text(report.markdown(results, path.stem + ".svg"), encoding="utf-8")
        subprocess.run([arguments.peers_python, "-m", "bench.peers.plot", str(path)], check=True)
        console.print(f"saved {path}, .md, .svg", highlight=False)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=",".join(synthetic.RECIPES), help="sets made here, or folders")
    parser.add_argument("--contenders", default=",".join(roster.DEFAULT), help=f"of {', '.join(roster.CONTENDERS)}")
    parser.add_argument("--rows", type=int, help=f"only the first ones; sets made here have {ROWS:,} unless told")
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
    return parser.parse_args()


if __name__ == "__main__":
    main()
