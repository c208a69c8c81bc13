"""What every rig's command does: run, or show that a planted bug is seen; print the record, and keep it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from reliability.records import Record

NOT_SEEN = "NOT SEEN"


@dataclass(frozen=True, slots=True)
class Rig:
    """A rig: `run(count, seed)`, the bugs that can be planted and `catch(bug, seed)`: what it says of one, or None.

    `proofs(seed)` are further things that it must be able to see, by name, with what it said.
    """

    run: Callable[[int, int], Record]
    count: int
    bugs: Sequence[str] = ()
    catch: Callable[[str, int], str | None] = lambda _bug, _seed: None
    proofs: Callable[[int], Mapping[str, str]] = lambda _: {}


def run_rig(rig: Rig, description: str | None) -> int:
    """`--count N`, `--seed S`, `--plant BUG`, `--save`. 1 when something is wrong, or a planted bug is not seen."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=rig.count)
    parser.add_argument("--seed", type=int, default=1)
    if rig.bugs:
        parser.add_argument("--plant", choices=rig.bugs, help="show that this bug is seen")
    parser.add_argument("--save", action="store_true", help="see every planted bug too, and keep the record")
    given = parser.parse_args()
    if rig.bugs and given.plant:
        seen = rig.catch(given.plant, given.seed)
        print(seen or NOT_SEEN)
        return int(seen is None)
    record = rig.run(given.count, given.seed)
    if given.save:
        planted = {bug: rig.catch(bug, given.seed) or NOT_SEEN for bug in rig.bugs}
        record = replace(record, planted={**planted, **rig.proofs(given.seed)})
        record.save()
    print(record)
    return int(not record.is_clean or NOT_SEEN in record.planted.values())
