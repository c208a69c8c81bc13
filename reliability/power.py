"""Power losses: `python -m reliability.power [--images N] [--seed S] [--plant BUG] [--save]`.

The workload runs once on the simulated disk. Then the power is lost after steps drawn at random, each loss leaving what
a disk may leave (`medium.py`); every such image is opened by the product and compared with what was acknowledged.
"""

from __future__ import annotations

import argparse
import logging
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from reliability.judgement import judge
from reliability.medium import Acknowledged, Image, Medium, Step
from reliability.planted import plant
from reliability.records import Record
from reliability.simulated_disk import simulated
from reliability.workload import Operation, Session, Truth, truths, workload

DATA = "data"
PLANTABLE = ("disk.skip_fsync", "disk.skip_folder_flush", "disk.torn_group")


def record_steps(folder: Path, operations: Sequence[Operation]) -> list[Step]:
    """Do the operations on a simulated disk; the steps that reached it, with the acknowledgements between them."""
    folder.mkdir()
    session = Session(folder / DATA)
    with simulated(folder) as journal:
        for number, operation in enumerate(operations):
            operation.do(session)
            journal.acknowledge(number)
        session.close()
    return journal.steps


def losses(steps: Sequence[Step], images: int, chance: random.Random) -> Iterator[tuple[int, int, Image]]:
    """(steps done, operations acknowledged, what is left) of each power loss."""
    moments = sorted(chance.randrange(len(steps) + 1) for _ in range(images))
    medium = Medium()
    done = acknowledged = 0
    for moment in moments:
        for step in steps[done:moment]:
            medium.do(step)
            acknowledged += isinstance(step, Acknowledged)
        done = moment
        yield moment, acknowledged, medium.after_power_loss(chance)


def run(images: int, seed: int, folder: Path, rounds: int = 6) -> Record:
    """Lose power `images` times."""
    started = time.monotonic()
    chance = random.Random(seed)
    operations = workload(seed, rounds)
    known = truths(operations)
    steps = record_steps(folder / "live", operations)
    violations = []
    again = 0
    for number, (moment, acknowledged, image) in enumerate(losses(steps, images, chance)):
        place = folder / "image"
        image.write(place)
        allowed = known[acknowledged : acknowledged + 2]
        found, second = _recover(place, allowed, chance)
        again += second
        violations += [f"seed {seed}, image {number}, after step {moment}: {line}" for line in found]
        shutil.rmtree(place)
    counts = {"power losses": images, "of them twice, again in recovery": again, "disk steps": len(steps)}
    counts["acknowledged operations"] = len(operations)
    return Record("power", _command(images, seed), seed, time.monotonic() - started, counts, violations)


def _recover(place: Path, allowed: Sequence[Truth], chance: random.Random) -> tuple[list[str], bool]:
    """Judge an image."""
    with simulated(place):
        return judge(place / DATA, allowed), False


def _command(images: int, seed: int) -> str:
    return f"python -m reliability.power --images {images} --seed {seed}"


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plant", choices=PLANTABLE)
    parser.add_argument("--save", action="store_true")
    arguments = parser.parse_args()
    logging.disable(logging.ERROR)
    if arguments.plant:
        plant(arguments.plant)
    with tempfile.TemporaryDirectory() as folder:
        record = run(arguments.images, arguments.seed, Path(folder))
    print(record)
    if arguments.save:
        record.save()
    return 0 if record.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
