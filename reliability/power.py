"""Power losses on a simulated disk: `python -m reliability.power [--count N] [--seed S] [--plant BUG] [--save]`.

A workload runs once. Then the power is lost after steps drawn at random, each loss leaving what a disk may leave
(`disk/medium.py`): of what was not flushed any part, in any order, torn at sectors. Every such image is opened by the
product and compared with what was acknowledged. Every fourth time the process is started again first, after a kill or
a loss, and the power is lost while it recovers or writes.
"""

from __future__ import annotations

import logging
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from reliability.command_line import Rig, run_rig
from reliability.disk.judgement import UNCLEAN, judge
from reliability.disk.medium import Acknowledged, Medium, Step
from reliability.disk.recording import DATA, lose_power_again, record_steps
from reliability.disk.simulated_disk import simulated
from reliability.disk.workload import Truth, truths, workload
from reliability.planted import call_with
from reliability.records import Record

BUGS = ("disk.skip_fsync", "disk.skip_folder_flush", "disk.torn_group")
IMAGES_TO_SEE = 100
_TWICE_EVERY = 4


def moments(steps: Sequence[Step], count: int, chance: random.Random) -> Iterator[tuple[int, int, Medium]]:
    """(steps done, operations acknowledged, the disk) at moments drawn at random, in order."""
    medium = Medium()
    done = acknowledged = 0
    for moment in sorted(chance.randrange(len(steps) + 1) for _ in range(count)):
        for step in steps[done:moment]:
            medium.do(step)
            acknowledged += isinstance(step, Acknowledged)
        done = moment
        yield moment, acknowledged, medium


def run(count: int, seed: int) -> Record:
    """Lose power `count` times."""
    started = time.monotonic()
    chance = random.Random(seed)
    operations = workload(seed)
    known = truths(operations)
    violations = []
    with tempfile.TemporaryDirectory() as folder:
        steps = record_steps(Path(folder, "live"), operations).steps
        for number, (moment, acknowledged, medium) in enumerate(moments(steps, count, chance)):
            allowed = known[acknowledged : acknowledged + 2]
            found = _lose(Path(folder, "image"), medium, allowed, chance, twice=number % _TWICE_EVERY == 0)
            violations += [f"seed {seed}, loss {number}, after step {moment}: {line}" for line in found]
    counts = {
        "power losses": count,
        "of them in a restart": -(-count // _TWICE_EVERY),
        "steps of the disk": len(steps),
        "acknowledged operations": len(operations),
    }
    command = f"python -m reliability.power --count {count} --seed {seed}"
    return Record("power", command, seed, time.monotonic() - started, counts, violations)


def _lose(place: Path, medium: Medium, allowed: Sequence[Truth], chance: random.Random, *, twice: bool) -> list[str]:
    if twice:
        try:
            medium, allowed = lose_power_again(place, medium, allowed, chance, killed=chance.random() < 0.5)
        except UNCLEAN as error:
            return [f"a restart fails: {error}"]
        finally:
            shutil.rmtree(place)
    medium.after_power_loss(chance).write(place)
    with simulated(place):
        found = judge(place / DATA, allowed)
    shutil.rmtree(place)
    return found


def catch(bug: str, seed: int) -> str | None:
    """What the rig says of a planted bug, in a process of its own; None: it does not see it."""
    violations = call_with(bug, partial(run, IMAGES_TO_SEE, seed)).violations
    return violations[0] if violations else None


if __name__ == "__main__":
    logging.disable(logging.ERROR)
    sys.exit(run_rig(Rig(run, 2_000, BUGS, catch), __doc__))
