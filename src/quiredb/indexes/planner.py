"""How to search one index: the cheaper of an exact scan and a walk, by what both were measured to cost."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from quiredb.indexes.curve import Measured

DEFAULT_RECALL = 0.98
MARGIN = 0.6
"""Share of the allowed misses that is kept in reserve: queries of users may be harder than those that were measured."""
MASKED_MARGIN = 0.75
"""The same where a filter leaves some rows out: there are more kinds of filters than were measured."""

_PLANS_KEPT = 4096


@dataclass(frozen=True, slots=True)
class Plan:
    """`skip`, `scan`, or the kind of the structure that is walked; `masked` when some rows are out; the effort."""

    name: str
    masked: bool
    effort: int = 0

    def __str__(self) -> str:
        return f"masked-{self.name}" if self.masked else self.name


def promised(recall: float, *, masked: bool = False) -> float:
    """What must have been measured for `recall` to be promised."""
    return recall + (MASKED_MARGIN if masked else MARGIN) * (1 - recall)


@lru_cache(maxsize=_PLANS_KEPT)
def choose_plan(
    kind: str, measured: Measured, count: int, allowed: int, k: int, recall: float | None, exact: bool = False
) -> Plan:
    """The plan for `k` neighbours among `allowed` of `count` rows.

    Costs decide only between ways that keep the promise: `recall` is never left to a clock. A recall that no effort was
    measured to reach is promised by a scan only; a search that asked for none (None) takes the largest effort instead.
    """
    if allowed == 0:
        return Plan("skip", masked=False)
    scan = Plan("scan", masked=allowed < count)
    if exact or kind == "flat" or allowed <= k or (recall is not None and recall >= 1):
        return scan
    wanted = DEFAULT_RECALL if recall is None else recall
    share = allowed / count
    walk = measured.walk(share, k, promised(wanted, masked=scan.masked))
    if walk is None and recall is None and not scan.masked:
        walk = measured.largest(k)
    if walk is None or measured.scan(share) <= walk[1]:
        return scan
    return Plan(kind, scan.masked, walk[0])
