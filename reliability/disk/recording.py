"""Doing a workload on the simulated disk, and starting again on what a failure left."""

from __future__ import annotations

import random
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

from reliability.disk.journal import Journal
from reliability.disk.judgement import EXTRA
from reliability.disk.medium import Acknowledged, Medium, Step
from reliability.disk.simulated_disk import simulated
from reliability.disk.workload import Contents, Operation, Session, Truth, Write

DATA = "data"
"""The data folder; the folder that it lies in belongs to the disk too."""


def record_steps(root: Path, operations: Sequence[Operation]) -> Journal:
    """Do the operations on a simulated disk; what reached it, with the acknowledgements between the steps."""
    root.mkdir()
    session = Session(root / DATA)
    with simulated(root) as journal:
        for number, operation in enumerate(operations):
            operation.do(session)
            journal.acknowledge(number)
        session.close()
    return journal


def lose_power_again(
    root: Path, medium: Medium, allowed: Sequence[Truth], chance: random.Random, *, killed: bool
) -> tuple[Medium, list[Truth]]:
    """The process is killed (or the power is lost), is started again, writes, and then the power is lost at any step.

    After a kill the system's cache is as it was: some of what the next process finds is not on the disk yet.
    Answers the disk before the second loss, and what may be found then.
    """
    image = medium.after_kill() if killed else medium.after_power_loss(chance)
    medium = deepcopy(medium) if killed else Medium.of(image)
    image.write(root)
    with simulated(root, medium.numbers(), medium.last_number()) as journal:
        libraries = _write_to_each(Session(root / DATA), journal)
    steps = journal.steps[: chance.randrange(len(journal.steps) + 1)]
    for step in steps:
        medium.do(step)
    done = _acknowledged(steps)
    told = [libraries[:done], libraries[: done + 1]]
    return medium, [_with_extra(truth, names) for truth in allowed for names in told]


def _write_to_each(session: Session, journal: Journal) -> list[str]:
    names = [library.id for library in session.repository.all()]
    for number, name in enumerate(names):
        Write(name, EXTRA).do(session)
        journal.acknowledge(number)
    session.close()
    return names


def _acknowledged(steps: Sequence[Step]) -> int:
    return sum(isinstance(step, Acknowledged) for step in steps)


def _with_extra(truth: Truth, names: Sequence[str]) -> Truth:
    documents = {row.document for row in EXTRA.values()}
    return {
        name: Contents({**contents.rows, **EXTRA}, contents.documents | documents) if name in names else contents
        for name, contents in truth.items()
    }
