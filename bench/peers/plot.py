"""Draws the curves of a run; needs matplotlib, which only the bench's own environment has.

.venv-bench/bin/python -m bench.peers.plot bench/results/peers-NAME.json     makes peers-NAME.svg beside it
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from bench.peers.curves import LEVELS, CurvePoint, frontier

MARKERS = "osD^vPX<>"
STYLE = {"svg.hashsalt": "quire", "font.size": 10, "axes.spines.top": False, "axes.spines.right": False}
_OWN = ("#D55E00", "#E69F00", "#8C510A", "#000000")
_PEERS = ("#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#595959", "#332288", "#117733", "#882255", "#44AA99")
_RECALL_FROM, _RECALL_TO = 0.80, 0.9995
_TICKS = (0.80, 0.90, 0.95, 0.98, 0.99, 0.995, 0.999)


def draw(results: dict[str, Any], target: Path) -> None:
    """Recall against rate, one query at a time and in batches, as an SVG."""
    mpl.rcParams.update(STYLE)
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5.4), sharey=True, layout="constrained")
    for axes, recall, rate, title in (
        (left, "recall", "qps", "one query at a time"),
        (right, "batch_recall", "batch_qps", "all queries in one call"),
    ):
        _curves(axes, results["contenders"], recall, rate)
        axes.set_title(title, loc="left", fontsize=11)
        _scales(axes, results["options"]["k"])
    left.set_ylabel("queries per second, one core")
    figure.legend(*left.get_legend_handles_labels(), loc="outside right center", frameon=False)
    data, machine = results["set"], results["machine"]
    figure.suptitle(
        f"{data['name']}: {data['rows']:,} × {data['dimension']}, {data['metric']}, {data['about']}\n"
        f"{machine['processor']}, {machine['date']}; up and to the right is better",
        x=0.01,
        ha="left",
        fontsize=11,
    )
    save(figure, target)


def save(figure: Figure, target: Path) -> None:
    """Write an SVG that is the same for the same figures."""
    figure.savefig(target, metadata={"Date": None})
    plt.close(figure)
    text = target.read_text(encoding="utf-8")
    target.write_text("\n".join(line.rstrip() for line in text.splitlines()) + "\n", encoding="utf-8")


def colours(are_own: Sequence[bool]) -> list[str]:
    """A colour for each contender, told apart by colour-blind readers too: warm ones for Quire, cool for the rest."""
    own, peers = iter(_OWN), iter(_PEERS * 2)
    return [next(own if is_own else peers) for is_own in are_own]


def _curves(axes: Axes, contenders: list[dict[str, Any]], recall: str, rate: str) -> None:
    measured = [contender for contender in contenders if contender["failure"] is None]
    shades = colours([contender["is_own"] for contender in measured])
    for number, contender in enumerate(measured):
        is_own = contender["is_own"]
        points = [CurvePoint(point[recall], point[rate]) for point in contender["points"]]
        line = frontier(points)
        axes.plot(
            [min(point.recall, _RECALL_TO) for point in line],
            [point.qps for point in line],
            marker=MARKERS[number % len(MARKERS)],
            markersize=6 if is_own else 4.5,
            linewidth=2.8 if is_own else 1.4,
            color=shades[number],
            zorder=3 if is_own else 2,
            label=contender["name"],
        )


def _scales(axes: Axes, k: int) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xscale("function", functions=(_missed_decades, _recall_of))
    axes.set_xlim(_RECALL_FROM, _RECALL_TO + 0.0001)
    axes.xaxis.set_major_locator(FixedLocator(_TICKS))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
    axes.set_xlabel(f"recall@{k} (scale: what is missed, in powers of ten)")
    for level in LEVELS:
        axes.axvline(level, color="#BBBBBB", linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    axes.grid(axis="y", which="major", color="#E5E5E5", linewidth=0.8)
    axes.set_axisbelow(True)


def _missed_decades(recall: Any) -> Any:
    return -np.log10(np.maximum(1 - np.asarray(recall), 1e-9))


def _recall_of(decades: Any) -> Any:
    return 1 - 10.0 ** -np.asarray(decades)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        source = Path(argument)
        draw(json.loads(source.read_text(encoding="utf-8")), source.with_suffix(".svg"))
