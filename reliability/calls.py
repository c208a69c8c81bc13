"""Every call to the disk fails once: `python -m reliability.calls [--count N] [--seed S] [--plant BUG] [--save]`.

A workload is done again and again, and each time another call fails: with an error, for want of space (and all that
take space after it, until there is some again), or half done. Each operation must succeed or be refused with an error
of Quire's; what is shown meanwhile, and what a restart finds, must be what was acknowledged. A flush that failed must
not be tried again through the same handle, and where one failed the power is lost later on. Kills need no second run:
what the cache holds before and after each call is computed, and opened.
"""

from __future__ import annotations

import logging
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from quiredb.domain.errors import QuireError, StorageFull
from quiredb.repositories import libraries
from quiredb.storage.files import TEMPORARY_SUFFIX
from reliability.command_line import Rig, run_rig
from reliability.disk.journal import TAKES_SPACE, Journal, Way
from reliability.disk.judgement import UNCLEAN, judge, judge_open, stored_truth
from reliability.disk.medium import Acknowledged, Medium, Step
from reliability.disk.recording import DATA, lose_power_again, record_steps
from reliability.disk.simulated_disk import simulated
from reliability.disk.workload import Operation, Reopen, Session, Truth, Write, truths, workload
from reliability.planted import call_with
from reliability.records import Record

BUGS = ("disk.retry_failed_fsync", "disk.trust_cached_log", "disk.torn_group")
_ROUNDS = 2
_OPERATIONS_WITHOUT_SPACE = 3


@dataclass(slots=True)
class Attempt:
    """The workload with one failure in it. `truth` is acknowledged; `ghost` is what the failed operation would add."""

    root: Path
    journal: Journal
    truth: Truth = field(default_factory=dict)
    ghost: Operation | None = None
    since: list[Operation] = field(default_factory=list)
    before_ghost: Truth = field(default_factory=dict)
    healed: bool = False
    violations: list[str] = field(default_factory=list)

    def go(self, operations: Sequence[Operation], *, on: bool = True) -> None:
        """Do all operations (unless `on`: until one is refused), judge what is shown then, and stop the process."""
        session = Session(self.root / DATA)
        refused = 0
        for operation in operations:
            struck = self.journal.failed
            try:
                operation.do(session)
            except QuireError as error:
                refused += 1
                self._refused(operation, error, is_first=struck is None and self.journal.failed is not None)
            except UNCLEAN as error:
                self.violations.append(f"{type(operation).__name__} ends with {type(error).__name__}: {error}")
                self._note_ghost(operation)
            else:
                self._acknowledged(operation, session)
            if refused and not on:
                break
            if refused == _OPERATIONS_WITHOUT_SPACE:
                self.journal.heal()
                self.healed = True
        self.journal.heal()
        self._judge_shown(session)
        try:
            session.close()
        except QuireError:
            return

    def allowed(self) -> list[Truth]:
        """What a restart may find."""
        return [self.truth, *self._with_ghost()]

    def _acknowledged(self, operation: Operation, session: Session) -> None:
        self.truth = operation.change(self.truth)
        self.since.append(operation)
        if isinstance(operation, Reopen) and self.ghost is not None:
            self._settle_ghost(session)
        elif isinstance(operation, Write) and isinstance(self.ghost, Write) and operation.library == self.ghost.library:
            self.ghost = None

    def _refused(self, operation: Operation, error: QuireError, *, is_first: bool) -> None:
        if self.journal.failed is None:
            self.violations.append(f"{type(operation).__name__} is refused though nothing failed: {error}")
        if is_first and not isinstance(error, StorageFull):
            self._note_ghost(operation)
        if self.healed and isinstance(error, StorageFull):
            self.violations.append(f"{type(operation).__name__} finds no space though there is some again")

    def _note_ghost(self, operation: Operation) -> None:
        self.ghost, self.before_ghost, self.since = operation, self.truth, []

    def _with_ghost(self) -> Iterator[Truth]:
        if self.ghost is None:
            return
        try:
            found = self.ghost.change(self.before_ghost)
            for operation in self.since:
                found = operation.change(found)
        except LookupError:
            return
        yield found

    def _settle_ghost(self, session: Session) -> None:
        """A restart shows whether the operation that failed took place."""
        found = stored_truth(session.repository)
        if found not in self.allowed():
            self.violations.append("after a restart something is there that was not acknowledged, or is gone")
        self.truth, self.ghost = found, None

    def _judge_shown(self, session: Session) -> None:
        """A write that was refused is not shown; of another operation that failed the effect may be."""
        allowed = [self.truth] if isinstance(self.ghost, Write) else self.allowed()
        try:
            repository = session.repository
            for name in repository.damaged:
                repository.get(name)
        except QuireError as error:
            self.violations.append(f"the folder cannot be opened again: {error.detail}")
            return
        self.violations += [f"shown: {line}" for line in judge_open(repository, allowed)]


@contextmanager
def _opened_again_at_once() -> Iterator[None]:
    """A library that could not be opened is tried again whenever it is asked for, not after a second."""
    earlier = libraries._OPEN_AGAIN_SECONDS
    libraries._OPEN_AGAIN_SECONDS = 0.0
    try:
        yield
    finally:
        libraries._OPEN_AGAIN_SECONDS = earlier


def fail_once(root: Path, operations: Sequence[Operation], call: int, way: Way, chance: random.Random) -> list[str]:
    """Let one call fail in one way; everything that is wrong then."""
    root.mkdir()
    with simulated(root) as journal, _opened_again_at_once():
        journal.fail(call, way)
        attempt = Attempt(root, journal)
        attempt.go(operations)
    found = attempt.violations
    again = [path for path in journal.flushed_after_failure if not path.endswith(TEMPORARY_SUFFIX)]
    found += [f"flushed again after it failed: {path}" for path in again]
    with simulated(root):
        found += [f"restart: {line}" for line in judge(root / DATA, attempt.allowed())]
    shutil.rmtree(root)
    if journal.failed is not None and journal.failed.startswith("flush "):
        found += _lose_power_later(root, operations, call, chance)
    return [f"call {call} ({journal.failed}), {way}: {line}" for line in found]


def _lose_power_later(root: Path, operations: Sequence[Operation], call: int, chance: random.Random) -> list[str]:
    """What was in the cache when the flush failed never reached the disk: a restart must not build upon it."""
    root.mkdir()
    with simulated(root) as journal:
        journal.fail(call, Way.ERROR)
        attempt = Attempt(root, journal)
        attempt.go(operations, on=False)
    shutil.rmtree(root)
    medium = Medium()
    for step in journal.steps:
        medium.do(step)
    medium, allowed = lose_power_again(root, medium, attempt.allowed(), chance, killed=True)
    shutil.rmtree(root)
    medium.after_power_loss(chance).write(root)
    with simulated(root):
        found = [f"power lost after a restart: {line}" for line in judge(root / DATA, allowed)]
    shutil.rmtree(root)
    return found


def kill_everywhere(root: Path, steps: Sequence[Step], known: Sequence[Truth]) -> Iterator[str]:
    """Open what the cache holds before and after each call that changes something."""
    medium = Medium()
    done = 0
    for number, step in enumerate(steps):
        medium.do(step)
        if isinstance(step, Acknowledged):
            done += 1
            continue
        medium.after_kill().write(root)
        with simulated(root):
            found = judge(root / DATA, known[done : done + 2])
        shutil.rmtree(root)
        yield from (f"killed after step {number}: {line}" for line in found)


def failures(calls: Sequence[tuple[str, str]]) -> list[tuple[int, Way]]:
    """Each call with each way in which its kind can fail."""
    found = [(number, Way.ERROR) for number in range(len(calls))]
    found += [(number, Way.FULL) for number, (kind, _) in enumerate(calls) if kind in TAKES_SPACE]
    return found + [(number, Way.SHORT) for number, (kind, _) in enumerate(calls) if kind == "write"]


def run(count: int, seed: int) -> Record:
    """Let `count` failures happen, drawn from all there are (0: all), and all kills that go with as many."""
    started = time.monotonic()
    chance = random.Random(seed)
    operations = workload(seed, _ROUNDS)
    known = truths(operations)
    with tempfile.TemporaryDirectory() as folder:
        recorded = record_steps(Path(folder, "live"), operations)
        every = failures(recorded.calls)
        chosen = sorted(chance.sample(every, count)) if 0 < count < len(every) else every
        violations = []
        for call, way in chosen:
            violations += fail_once(Path(folder, "failing"), operations, call, way, chance)
        killed = 0
        if len(chosen) == len(every):
            violations += kill_everywhere(Path(folder, "killed"), recorded.steps, known)
            killed = sum(not isinstance(step, Acknowledged) for step in recorded.steps)
    ways = Counter(way for _, way in chosen)
    counts = {
        "failed calls": len(chosen) + killed,
        "errors": ways[Way.ERROR],
        "full disks": ways[Way.FULL],
        "short writes": ways[Way.SHORT],
        "kills": killed,
        "calls of the workload": len(recorded.calls),
    }
    command = f"python -m reliability.calls --count {count} --seed {seed}"
    return Record("calls", command, seed, time.monotonic() - started, counts, violations)


def catch(bug: str, seed: int) -> str | None:
    """What the rig says of a planted bug, in a process of its own; None: it does not see it."""
    return call_with(bug, partial(_fail_flushes, seed))


def _fail_flushes(seed: int) -> str | None:
    """Flushes of logs fail, every third: all of the bugs are about them, or are seen anywhere."""
    operations = workload(seed, _ROUNDS)
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        calls = record_steps(Path(folder, "live"), operations).calls
        flushes = [number for number, (kind, path) in enumerate(calls) if kind == "flush" and path.endswith("-wal")]
        for number in flushes[::3]:
            if found := fail_once(Path(folder, "failing"), operations, number, Way.ERROR, chance):
                return found[0]
    return None


if __name__ == "__main__":
    logging.disable(logging.ERROR)
    sys.exit(run_rig(Rig(run, 0, BUGS, catch), __doc__))
