"""Draws the curves of a run; needs matplotlib, which only the bench's own environment has.

.venv-bench/bin/python -m bench.peers.plot bench/results/peers-NAME.json     makes peers-NAME.svg beside it
"""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

_OWN = ("#D55E00", "#E69F00", "#8C510A", "#000000")
_PEERS = ("#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#595959", "#332288", "#117733", "#882255", "#44AA99")
_MARKERS = "osD^vPX<>"
_RECALL_FROM = 0.80
_STYLE = {"svg.hashsalt": "quire", "font.size": 10, "axes.spines.top": False, "axes.spines.right": False}


def draw(results: dict[str, Any], target: Path) -> None:
    """Recall against rate, one query at a time and in batches, as an SVG."""
    mpl.rcParams.update(_STYLE)
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5.4), sharey=True, layout="constrained")
    for axes, recall, rate, title in (
        (left, "recall", "qps", "one query at a time"),
        (right, "batch_recall", "batch_qps", "all queries in one call"),
    ):
        _curves(axes, results["contenders"], recall, rate)
        axes.set_title(title, loc="left", fontsize=11)
        _scales(axes, results["options"]["k"])
    left.set_ylabel("queries per second, one core (log scale)")
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", frameon=False)
    data, machine = results["set"], results["machine"]
    figure.suptitle(
        f"{data['name']}: {data['rows']:,} × {data['dimension']}, {data['metric']}, {data['about']}\n"
        f"{machine['processor']}, {machine['date']}; up and to the right is better",
        x=0.01,
        ha="left",
        fontsize=11,
    )
    figure.savefig(target, metadata={"Date": None})
    plt.close(figure)
    if not target.read_text(encoding="utf-8").endswith("\n"):
        with target.open("a", encoding="utf-8") as file:
            file.write("\n")


def _curves(axes: Axes, contenders: list[dict[str, Any]], recall: str, rate: str) -> None:
    own, peers = iter(_OWN), iter(_PEERS * 2)
    measured = [contender for contender in contenders if contender["failure"] is None]
    for number, contender in enumerate(measured):
        points = sorted((point[recall], point[rate]) for point in contender["points"])
        axes.plot(
            [point[0] for point in points],
            [point[1] for point in points],
            marker=_MARKERS[number % len(_MARKERS)],
            markersize=6 if contender["is_own"] else 4.5,
            linewidth=2.8 if contender["is_own"] else 1.4,
            color=next(own if contender["is_own"] else peers),
            zorder=3 if contender["is_own"] else 2,
            label=contender["name"],
        )


def _scales(axes: Axes, k: int) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(_RECALL_FROM, 1.002)
    axes.set_xlabel(f"recall@{k}")
    for level in (0.90, 0.95, 0.99):
        axes.axvline(level, color="#BBBBBB", linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    axes.grid(axis="y", which="major", color="#E5E5E5", linewidth=0.8)
    axes.set_axisbelow(True)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        source = Path(argument)
        draw(json.loads(source.read_text(encoding="utf-8")), source.with_suffix(".svg"))
