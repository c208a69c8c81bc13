"""Measure Quire's index and other libraries side by side.

python -m bench.peers                                  on four sets made here
python -m bench.peers --data passages,FOLDER           on one of them, and on a folder with vectors.npz
python -m bench.peers --contenders quire-graph,hnswlib --rows 10k --rounds 1
"""

import argparse
import json
import subprocess

from rich.console import Console

from bench.peers import command_line, report, roster, synthetic
from bench.peers.race import race
from bench.peers.results import gather
from bench.peers.vector_set import prepare

ROWS = 20_000


def main() -> None:
    """Measure each set, and write peers-NAME.json, .md and .svg."""
    arguments = _arguments()
    console, contenders = Console(), roster.chosen(arguments.contenders)
    console.width = max(console.width, command_line.WIDTH)
    options = command_line.measuring(arguments)
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
    parser.add_argument(
        "--rows", type=command_line.count_of, help=f"only the first ones; sets made here have {ROWS:,} unless told"
    )
    command_line.add_measuring(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
