"""The tables of RELIABILITY.md, from the promises and the saved records: `python -m reliability.report [--check]`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable

from reliability.evidence import Evidence, Promise
from reliability.promises import PROMISES
from reliability.records import RESULTS, ROOT, Record

PAGE = ROOT / "RELIABILITY.md"
PROMISED = ("<!-- promises: python -m reliability.report -->", "<!-- end of promises -->")
UNSAVED = "short form only, no full run is saved"
COMMANDS = ("<!-- commands: python -m reliability.report -->", "<!-- end of commands -->")


def table(promises: Iterable[Promise]) -> str:
    """A Markdown table with a row for each promise."""
    lines = ["| Fault | Promise | What was done | Violations | Planted bugs, all caught |"]
    lines.append("| --- | --- | --- | --- | --- |")
    lines += [_row(promise) for promise in promises]
    return "\n".join(lines)


def commands(promises: Iterable[Promise]) -> str:
    """A Markdown table with a row for each rig: the command that repeats its figures, and what else it counted."""
    rigs = dict.fromkeys(evidence.rig for promise in promises for evidence in promise.evidence)
    lines = ["| Rig | Command | Everything counted | Minutes |", "| --- | --- | --- | --- |"]
    for rig in rigs:
        record = _record(rig)
        if record is None:
            lines.append(f"| {rig} | `python -m reliability.{rig} --save` | {UNSAVED} | |")
            continue
        counted = ", ".join(f"{count:,} {what}" for what, count in record.counts.items())
        lines.append(f"| {rig} | `{record.command}` | {counted} | {record.seconds / 60:.0f} |")
    return "\n".join(lines)


def _row(promise: Promise) -> str:
    records = {evidence: _record(evidence.rig) for evidence in promise.evidence}
    saved = {evidence: record for evidence, record in records.items() if record is not None}
    counted = "; ".join(
        f"{evidence.rig}: {UNSAVED}" if record is None else _counted(record, evidence)
        for evidence, record in records.items()
    )
    # One that two rigs of a promise see is told once.
    caught = dict.fromkeys(bug for evidence, record in saved.items() for bug in evidence.bugs if bug in record.planted)
    planted = ", ".join(f"`{bug}`" for bug in caught)
    violations = str(sum(len(record.violations) for record in saved.values())) if saved else ""
    return f"| {promise.fault} {promise.title} | {promise.promise} | {counted} | {violations} | {planted} |"


def _counted(record: Record, evidence: Evidence) -> str:
    return ", ".join(f"{record.counts[what]:,} {what}" for what in evidence.counts)


def _record(rig: str) -> Record | None:
    """The saved record of a rig, or None."""
    path = RESULTS / f"{rig}.json"
    return Record.load(path) if path.exists() else None


def page_with_tables(page: str) -> str:
    """The page with its tables made anew."""
    for (begin, end), made in ((PROMISED, table(PROMISES)), (COMMANDS, commands(PROMISES))):
        before, _, rest = page.partition(begin)
        _, _, after = rest.partition(end)
        page = f"{before}{begin}\n{made}\n{end}{after}"
    return page


def run() -> int:
    """Rewrite the page, or with --check say whether it is as the records are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when the page is out of date")
    check: bool = parser.parse_args().check
    page = PAGE.read_text()
    made = page_with_tables(page)
    if check:
        return int(made != page)
    PAGE.write_text(made)
    print(table(PROMISES))
    return 0


if __name__ == "__main__":
    sys.exit(run())
