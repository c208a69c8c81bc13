"""Sixty bad inputs: each has one documented answer, within a second, and changes nothing.

`python -m reliability.inputs [--plant BUG] [--save]`. A server with keys is asked over plain sockets; what is said to a
command is said to a process of `quire`.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from reliability.bad_inputs.access import ACCESS_ROWS
from reliability.bad_inputs.archives import ARCHIVE_ROWS
from reliability.bad_inputs.bodies import BODY_ROWS
from reliability.bad_inputs.http import HTTP_ROWS
from reliability.bad_inputs.world import CANARY, Input, World, make_keys
from reliability.command_line import Rig, run_rig
from reliability.records import Record
from reliability.servers import Nursery

Row = Callable[[World], Iterator[Input]]

ROWS: Mapping[int, Row] = {**HTTP_ROWS, **ACCESS_ROWS, **BODY_ROWS, **ARCHIVE_ROWS}
SLOW_ROWS = (11, 12)
_CAUGHT_BY = {
    "door.free_metrics": (60,),
    "door.free_by_prefix": (4,),
    "door.rights_after_body": (18,),
    "door.rights_forgotten": (20,),
    "storage.forget_answers": (55,),
    "backup.trust_names": (57,),
    "backup.skip_proof": (58,),
}
BUGS = tuple(_CAUGHT_BY)
_TRIES = 3
_UNHURRIED = 100.0


def numbers_of(row: Row) -> set[int]:
    """The rows of the list that a function covers, by its docstring: "5 and 6", "26, 27"."""
    return {int(number) for number in re.findall(r"\d+", row.__doc__ or "")}


def try_input(world: World, one: Input, patience: float) -> str | None:
    """Send an input; what is wrong, or None. One that is only late is tried again: the machine may be busy."""
    for _ in range(_TRIES):
        wrong, seconds = one.attempt(world)
        if wrong is not None or seconds <= one.seconds * patience:
            return wrong
    return f"took {seconds:.1f} s"


def run_rows(world: World, rows: Iterable[int], patience: float) -> tuple[int, list[str]]:
    """All inputs of some rows: how many there were, and what was wrong. The store is compared after each row."""
    count, violations = 0, []
    before = world.digest()
    for number in rows:
        for one in ROWS[number](world):
            count += 1
            wrong = try_input(world, one, patience)
            if wrong is not None:
                violations.append(f"row {number}, {one.name}: {wrong}")
        if not world.is_healthy():
            violations.append(f"row {number}: the server does not serve any more")
        if world.digest() != before:
            violations.append(f"row {number}: the store has changed")
            before = world.digest()
    return count, violations


def run_slow_rows(world: World, patience: float) -> tuple[int, list[str]]:
    """The inputs that are refused for being slow, all at once."""
    inputs = [(number, one) for number in SLOW_ROWS for one in ROWS[number](world)]
    with ThreadPoolExecutor(len(inputs)) as threads:
        found = list(threads.map(lambda numbered: try_input(world, numbered[1], patience), inputs))
    return len(inputs), [
        f"row {number}, {one.name}: {wrong}" for (number, one), wrong in zip(inputs, found, strict=True) if wrong
    ]


def leaks(world: World) -> list[str]:
    """Secrets and the canary where they must not be: in logs, metrics and the audit log."""
    metrics = world.ask("GET", "/metrics", "server").body.decode()
    places = {"log": world.server.said, "metrics": metrics}
    places["audit log"] = (world.server.data / "audit.jsonl").read_text()
    secrets = {"the canary": CANARY, **{f"the {name} key": key for name, key in world.keys.items()}}
    return [
        f"{what} is in the {where}"
        for where, text in places.items()
        for what, secret in secrets.items()
        if secret in text
    ]


def throw(
    rows: Sequence[int], bugs: Sequence[str] = (), *, slow: bool = True, patience: float = 1.0
) -> tuple[dict[str, int], list[str]]:
    """Start a server, throw the inputs of some rows at it; counts and violations.

    `patience` multiplies the time that answers may take, for machines that are busy with other things.
    """
    with tempfile.TemporaryDirectory(prefix="quire-inputs-") as scratch, Nursery(bugs) as nursery:
        data = Path(scratch) / "data"
        keys = make_keys(data)
        server = nursery.start(data)
        server.wait_until_ready()
        world = World(server, keys, bugs)
        world.furnish()
        count, violations = run_rows(world, rows, patience)
        if slow:
            slow_count, more = run_slow_rows(world, patience)
            count, violations = count + slow_count, violations + more
        violations += leaks(world)
        if server.end() != 0:
            violations.append("the server did not end well")
    covered = {number for row in [*rows, *(SLOW_ROWS if slow else ())] for number in numbers_of(ROWS[row])}
    return {"rows": len(covered), "inputs": count}, violations


def run(count: int, seed: int) -> Record:
    """All rows, in the order of the list, `count` times over."""
    started = time.perf_counter()
    counts: Counter[str] = Counter()
    violations = []
    for _ in range(count):
        thrown, found = throw(quick_rows())
        counts["inputs"] += thrown["inputs"]
        counts["rows"] = thrown["rows"]
        violations += found
    seconds = time.perf_counter() - started
    return Record("inputs", f"python -m reliability.inputs --count {count}", seed, seconds, counts, violations)


def quick_rows() -> list[int]:
    """The rows whose answer is due within a second."""
    return sorted(set(ROWS) - set(SLOW_ROWS))


def catch(bug: str, _seed: int) -> str | None:
    """What the rows say of a planted bug. Planting takes time, so being late says nothing here."""
    _, violations = throw(_CAUGHT_BY[bug], [bug], slow=False, patience=_UNHURRIED)
    return violations[0] if violations else None


if __name__ == "__main__":
    sys.exit(run_rig(Rig(run, 1, BUGS, catch), __doc__))
