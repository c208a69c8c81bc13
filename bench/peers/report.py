"""Tables of a run: for the terminal, and as Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.peers.curves import LEVELS
from bench.peers.results import Results, hot_bytes
from bench.peers.roster import ANCHOR

_LEVELS = tuple(f"{level:.2f}" for level in LEVELS)
_COST_LEVEL = "0.95"

NOTES = (
    f"QPS: queries per second on one core. x: times {ANCHOR}. best: times the best peer at that recall.",
    "+: the cheapest effort is already above this recall, so the rate is at least this. -: not reached or not known.",
    "MiB: what the library says it holds; *: it does not say, the process's growth. Mapped: may stay on disk.",
    "Distances: vectors scored for a query, by estimate or exactly; KiB: what is read for them; as far as counted.",
)


@dataclass(frozen=True, slots=True)
class Grid:
    """A table before it has a form: the first column is a name, the rest are numbers. Own rows stand out."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    own: frozenset[str] = frozenset()


def grids(results: Results) -> list[Grid]:
    """Rates one query at a time; rates in batches; costs. Fastest at recall 0.95 first."""
    measured = [contender for contender in results["contenders"] if contender["failure"] is None]
    own = frozenset(contender["name"] for contender in measured if contender["is_own"])
    measured.sort(key=lambda contender: -_qps(contender["at"][_COST_LEVEL]))
    rates = tuple(column for level in _LEVELS for column in (f"QPS {level}", "x", "best"))
    title, k = title_of(results), results["options"]["k"]
    work = (f"distances {_COST_LEVEL}", f"KiB {_COST_LEVEL}")
    cost = ("build CPU s", "build s", "MiB", "mapped MiB", "bytes/row", *work)
    return [
        Grid(f"{title}: one query at a time", ("recall@" + str(k), *rates, "top recall"), _rates(measured, "at"), own),
        Grid(f"{title}: one batch", ("recall@" + str(k), *rates, "top recall"), _rates(measured, "batch_at"), own),
        Grid(f"{title}: cost", ("", *cost), tuple(_cost(row, results["set"]["rows"]) for row in measured), own),
    ]


def title_of(results: Results) -> str:
    """The set in one line."""
    data = results["set"]
    return f"{data['name']} ({data['rows']:,} x {data['dimension']}, {data['metric']}, {data['about']})"


def show(console: Console, results: Results) -> None:
    """Print the tables, who was not measured and why, and what to know when reading."""
    for grid in grids(results):
        console.print(as_rich(grid))
    for line in (*_failures(results), *NOTES, _noise(results)):
        console.print(line, highlight=False, markup=False)


def as_rich(grid: Grid) -> Table:
    """For the terminal."""
    table = Table(title=grid.title, title_justify="left")
    for number, column in enumerate(grid.columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=True)
    for row in grid.rows:
        table.add_row(*row, style="bold" if row[0] in grid.own else None)
    return table


def markdown(results: Results, image: str) -> str:
    """A page: the machine, the tables, the plot."""
    blocks = [f"# {title_of(results)}", f"![recall and rate]({image})"]
    for grid in grids(results):
        blocks += [f"## {grid.title.rsplit(': ', 1)[-1].capitalize()}", markdown_table(grid)]
    blocks += ["\n".join(f"- {line}" for line in (*_failures(results), *NOTES, _noise(results)))]
    blocks += machine_blocks(results["machine"])
    libraries = {f"{at['distribution']} {at['version']}" for row in results["contenders"] if (at := row["library"])}
    blocks += [f"- libraries: {', '.join(sorted(libraries))}"]
    return "\n\n".join(blocks) + "\n"


def machine_blocks(described: Mapping[str, Any]) -> list[str]:
    """The machine as a section of Markdown."""
    return ["## Machine", "\n".join(f"- {name}: {_plain(value)}" for name, value in described.items())]


def _rates(measured: Sequence[Results], key: str) -> tuple[tuple[str, ...], ...]:
    recall = "recall" if key == "at" else "batch_recall"
    return tuple(
        (
            contender["name"],
            *(cell for level in _LEVELS for cell in _rate_cells(contender[key][level])),
            f"{max(point[recall] for point in contender['points']):.3f}",
        )
        for contender in measured
    )


def _rate_cells(reached: Results | None) -> tuple[str, str, str]:
    if reached is None:
        return "-", "-", "-"
    mark = "+" if reached["is_floor"] else ""
    return f"{reached['qps']:,.0f}{mark}", _number(reached["to_anchor"], ".2f"), _number(reached["to_best_peer"], ".2f")


def _cost(contender: Results, rows: int) -> tuple[str, ...]:
    size, is_reported = hot_bytes(contender)
    mark = "" if is_reported else "*"
    mapped = contender["build"]["memory_bytes"].get("cold")
    reached = contender["at"][_COST_LEVEL] or {"distances": None, "bytes_read": None}
    read = reached["bytes_read"]
    return (
        contender["name"],
        f"{contender['build']['cpu_seconds']:.1f}",
        f"{contender['build']['wall_seconds']:.1f}",
        f"{size / 2**20:.1f}{mark}",
        _number(mapped and mapped / 2**20, ".1f"),
        f"{size / rows:,.0f}{mark}",
        _number(reached["distances"], ",.0f"),
        _number(read and read / 1024, ",.0f"),
    )


def _failures(results: Results) -> list[str]:
    return [f"{row['name']}: not measured: {row['failure']}" for row in results["contenders"] if row["failure"]]


def _noise(results: Results) -> str:
    noise, options = results["noise"], results["options"]
    if noise["share of the core"] is None:
        return "Nothing was measured."
    return (
        f"Medians of {options['rounds']} rounds in turn by {options['clock']} clock; rounds differ by "
        f"{noise['median spread of rounds']:.0%} (median; worst {noise['worst spread of rounds']:.0%}); "
        f"the process had the core for {noise['share of the core']:.0%} of the timed loops."
    )


def markdown_table(grid: Grid) -> str:
    """As Markdown."""
    lines = [grid.columns, ("---", *("---:" for _ in grid.columns[1:]))]
    lines += [(f"**{row[0]}**", *row[1:]) if row[0] in grid.own else row for row in grid.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {inner}" for name, inner in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _qps(reached: Results | None) -> float:
    return reached["qps"] if reached else 0.0
