"""Draws costs against the number of rows, both on log scales; needs matplotlib, as bench/peers/plot.py does.

.venv-bench/bin/python -m bench.peers.growth_plot bench/results/growth-NAME.json
"""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from bench.peers.plot import MARKERS, STYLE, colours, save


def draw(growth: dict[str, Any], target: Path) -> None:
    """A panel for each cost that somebody counts; the line is the fitted power law."""
    mpl.rcParams.update(STYLE)
    contenders = growth["contenders"]
    costs = list(dict.fromkeys(cost for own in contenders.values() for cost, found in own.items() if found["points"]))
    columns = 3
    lines = -(-len(costs) // columns)
    figure, grid = plt.subplots(lines, columns, figsize=(12, 3.6 * lines), layout="constrained", squeeze=False)
    for axes, cost in zip(grid.flat, costs, strict=False):
        _panel(axes, cost, contenders, growth["sizes"])
    for axes in grid.flat[len(costs) :]:
        axes.set_visible(False)
    data, machine = growth["set"], growth["machine"]
    figure.suptitle(
        f"Growth with rows at recall {growth['recall']}: {data['dimension']} dimensions, {data['metric']}\n"
        f"{machine['processor']}, {machine['date']}; in brackets the fitted exponent",
        x=0.01,
        ha="left",
        fontsize=11,
    )
    save(figure, target)


def _panel(axes: Axes, cost: str, contenders: dict[str, Any], sizes: list[int]) -> None:
    shades = colours([name.startswith("quire") for name in contenders])
    for number, (name, costs) in enumerate(contenders.items()):
        points, law = costs[cost]["points"], costs[cost]["law"]
        if not points:
            continue
        rows, values = [point[0] for point in points], [point[1] for point in points]
        label = f"{name} [{law['exponent']:.2f}]" if law else name
        marker = MARKERS[number % len(MARKERS)]
        axes.plot(rows, values, linestyle="none", marker=marker, color=shades[number], label=label)
        if law:
            fitted = [law["factor"] * count ** law["exponent"] for count in rows]
            axes.plot(rows, fitted, color=shades[number], linewidth=1.4)
    axes.set_title(cost, loc="left", fontsize=11)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        axis.set_minor_locator(NullLocator())
    axes.set_xlabel("rows")
    axes.grid(which="major", color="#E5E5E5", linewidth=0.8)
    axes.legend(frameon=False, fontsize=9)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        source = Path(argument)
        draw(json.loads(source.read_text(encoding="utf-8")), source.with_suffix(".svg"))
