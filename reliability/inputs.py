"""Sixty bad inputs: each has one documented answer, within a second, and changes nothing.

`python -m reliability.inputs [--plant BUG] [--save]`. A server with keys is asked over plain sockets. Rows 57 and 58
(archives) belong to `python -m reliability.backups`.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from reliability.command_line import Rig, run_rig
from reliability.input_world import CANARY, Case, World, make_keys
from reliability.inputs_access import ACCESS_ROWS
from reliability.inputs_bodies import BODY_ROWS
from reliability.inputs_http import HTTP_ROWS
from reliability.raw_http import Reply
from reliability.records import Record
from reliability.servers import Nursery

Row = Callable[[World], Iterator[Case]]

ROWS: Mapping[int, Row] = {**HTTP_ROWS, **ACCESS_ROWS, **BODY_ROWS}
SLOW_ROWS = (11, 12)
BUGS = ("door.free_metrics", "door.free_by_prefix", "door.rights_after_body", "door.rights_forgotten")
_CAUGHT_BY = {
    "door.free_metrics": (60,),
    "door.free_by_prefix": (4,),
    "door.rights_after_body": (18,),
    "door.rights_forgotten": (20,),
}
_ANSWER_BYTES_MAX = 16 * 1024
_TRIES = 3


def numbers_of(row: Row) -> set[int]:
    """The rows of the list that a function covers, by its docstring: "5 and 6", "26, 27"."""
    return {int(number) for number in re.findall(r"\d+", row.__doc__ or "")}


def judge(case: Case, reply: Reply) -> str | None:
    """What is wrong with an answer, or None."""
    if (reply.status, reply.code) != (case.status, case.code):
        return f"answered {reply.status} {reply.code}, not {case.status} {case.code}"
    if len(reply.body) > _ANSWER_BYTES_MAX:
        return f"{len(reply.body)} bytes of answer"
    if reply.status >= 400 and CANARY in reply.body.decode(errors="replace") + str(reply.headers):
        return "repeats what was sent"
    if reply.status and "nosniff" not in reply.headers.get("x-content-type-options", ""):
        return "has no security headers"
    return case.check(reply)


def try_case(world: World, case: Case, patience: float) -> str | None:
    """Send an input; what is wrong, or None. One that is only late is tried again: the machine may be busy."""
    for _ in range(_TRIES):
        reply = world.send(case.sent, case.sender, case.method)
        wrong = judge(case, reply)
        if wrong is not None or reply.seconds <= case.seconds * patience:
            return wrong
    return f"took {reply.seconds:.1f} s"


def run_rows(world: World, rows: Iterable[int], patience: float) -> tuple[int, list[str]]:
    """All inputs of some rows: how many there were, and what was wrong. The store is compared after each row."""
    count, violations = 0, []
    before = world.digest()
    for number in rows:
        for case in ROWS[number](world):
            count += 1
            wrong = try_case(world, case, patience)
            if wrong is not None:
                violations.append(f"row {number}, {case.name}: {wrong}")
        if not world.is_healthy():
            violations.append(f"row {number}: the server does not serve any more")
        if world.digest() != before:
            violations.append(f"row {number}: the store has changed")
            before = world.digest()
    return count, violations


def run_slow_rows(world: World, patience: float) -> tuple[int, list[str]]:
    """The inputs that are refused for being slow, all at once."""
    cases = [(number, case) for number in SLOW_ROWS for case in ROWS[number](world)]
    with ThreadPoolExecutor(len(cases)) as threads:
        found = list(threads.map(lambda one: try_case(world, one[1], patience), cases))
    return len(cases), [
        f"row {number}, {case.name}: {wrong}" for (number, case), wrong in zip(cases, found, strict=True) if wrong
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
        world = World(server, keys)
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
    """All rows, in the order of the list."""
    started = time.perf_counter()
    counts, violations = {"rows": 0, "inputs": 0}, []
    for _ in range(count):
        counts, found = throw(quick_rows())
        violations += found
    seconds = time.perf_counter() - started
    return Record("inputs", "python -m reliability.inputs", seed, seconds, counts, violations)


def quick_rows() -> list[int]:
    """The rows whose answer is due within a second."""
    return sorted(set(ROWS) - set(SLOW_ROWS))


def catch(bug: str, _seed: int) -> str | None:
    """What the rows say of a planted bug."""
    _, violations = throw(_CAUGHT_BY[bug], [bug], slow=False)
    return violations[0] if violations else None


if __name__ == "__main__":
    sys.exit(run_rig(Rig(run, 1, BUGS, catch), __doc__))
