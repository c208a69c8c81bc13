"""A library against a dict and brute force, with restarts and crashes among the steps: `python -m reliability.model`.

Hypothesis makes the histories (`--count` steps, by `--seed`) and shortens what fails. Background work is done as steps,
in between or never, so that every order of it meets every write. A crash goes on with a copy of the files as they are
while the library is open.
"""

from __future__ import annotations

import sys
import time
from functools import partial

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from quiredb.domain.errors import QuireError
from reliability.command_line import Rig, run_rig
from reliability.library_machine import LibraryMachine
from reliability.planted import call_with
from reliability.records import Record

STEPS_AT_ONCE = 50
BUGS = ("storage.forget_graves", "storage.ignore_conditions", "engine.leave_the_dead")
STEPS_TO_SEE = 5_000
ROUNDS_MAX = 20
"""Each with a seed of its own: some histories end early, so that a round has fewer steps than were asked for."""


def run(count: int, seed: int, *, shortens: bool = True) -> Record:
    """At least `count` steps. `shortens`: look for the shortest history that fails, too."""
    started = time.monotonic()
    LibraryMachine.steps.clear()
    violations = []
    for round_ in range(ROUNDS_MAX):
        missing = count - LibraryMachine.steps.total()
        if missing <= 0:
            break
        try:
            _make_histories(-(-missing // STEPS_AT_ONCE), seed + round_, shortens=shortens)
        except (AssertionError, LookupError, ValueError, TypeError, QuireError) as error:
            notes = " ".join(getattr(error, "__notes__", []))
            violations.append(f"seed {seed + round_}: {type(error).__name__}: {error} {notes}"[:3_000])
            break
    counts = {"steps": LibraryMachine.steps.total(), **LibraryMachine.steps}
    command = f"python -m reliability.model --count {count} --seed {seed}"
    return Record("model", command, seed, time.monotonic() - started, counts, violations)


def _make_histories(histories: int, seed: int, *, shortens: bool) -> None:
    chosen = settings(
        max_examples=histories,
        stateful_step_count=STEPS_AT_ONCE,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink] if shortens else [Phase.generate],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    run_state_machine_as_test(hypothesis.seed(seed)(LibraryMachine), settings=chosen)


def catch(bug: str, seed: int) -> str | None:
    """What the rig says of a planted bug, or None when it does not see it."""
    violations = call_with(bug, partial(run, STEPS_TO_SEE, seed, shortens=False)).violations
    return violations[0] if violations else None


if __name__ == "__main__":
    sys.exit(run_rig(Rig(run, 5_000, BUGS, catch), __doc__))
