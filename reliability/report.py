"""The table of RELIABILITY.md, from the promises and the saved records: `python -m reliability.report [--check]`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable

from reliability.promises import PROMISES, Promise
from reliability.records import RESULTS, ROOT, Record

PAGE = ROOT / "RELIABILITY.md"
BEGIN, END = "<!-- table: python -m reliability.report -->", "<!-- end of table -->"


def table(promises: Iterable[Promise]) -> str:
    """A Markdown table with a row for each promise."""
    lines = ["| Fault | Promise | What was done | Violations | Planted bugs, all caught | Command |"]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    lines += [_row(promise, Record.load(RESULTS / f"{promise.rig}.json")) for promise in promises]
    return "\n".join(lines)


def _row(promise: Promise, record: Record) -> str:
    counted = ", ".join(f"{record.counts[what]:,} {what}" for what in promise.counts)
    planted = ", ".join(f"`{bug}`" for bug in record.planted)
    return (
        f"| {promise.fault} {promise.title} | {promise.promise} | {counted} | {len(record.violations)} | {planted} "
        f"| `{record.command}` |"
    )


def page_with_table(page: str) -> str:
    """The page with its table made anew."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table(PROMISES)}\n{END}{after}"


def run() -> int:
    """Rewrite the page, or with --check say whether it is as the records are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when the page is out of date")
    check: bool = parser.parse_args().check
    page = PAGE.read_text()
    made = page_with_table(page)
    if check:
        return int(made != page)
    PAGE.write_text(made)
    print(table(PROMISES))
    return 0


if __name__ == "__main__":
    sys.exit(run())
