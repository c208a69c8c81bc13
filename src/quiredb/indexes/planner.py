"""How to search one index: a walk, a scan by signs or an exact one, whichever was measured to be cheapest."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from quiredb.indexes.curve import Measured

DEFAULT_RECALL = 0.98
MARGIN = 0.7
"""Share of the allowed misses that is kept in reserve: users' queries may miss three times as much as measured."""
MASKED_MARGIN = 0.8
"""The same where a filter leaves some rows out: there are more kinds of filters than were measured."""
FEW = 0.015
"""Where no larger share may be missed, more is kept in reserve: harder queries shed their last misses more slowly."""
FEW_MARGIN, FEW_MASKED_MARGIN = 0.75, 0.85

_PLANS_KEPT = 4096


@dataclass(frozen=True, slots=True)
class Plan:
    """`skip`, `scan`, `signs`, or the kind that is walked; `masked` when some rows are out; the effort.

    instead: `scan` or `signs`, what is done where a walk comes to nothing.
    """

    name: str
    masked: bool
    effort: int = 0
    instead: str = "scan"

    @property
    def without_walk(self) -> Plan:
        """The plan where a walk came to nothing."""
        return Plan(self.instead, self.masked)

    def __str__(self) -> str:
        return f"masked-{self.name}" if self.masked else self.name


def promised(recall: float, *, masked: bool = False) -> float:
    """What must have been measured for `recall` to be promised."""
    misses = 1 - recall
    plain, filtered = (MARGIN, MASKED_MARGIN) if misses > FEW else (FEW_MARGIN, FEW_MASKED_MARGIN)
    return recall + (filtered if masked else plain) * misses


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
    spare, seconds = scan, measured.scan(share)
    if scan.masked and measured.sign_recall >= promised(wanted) and measured.signs(share) < seconds:
        spare, seconds = Plan("signs", masked=True), measured.signs(share)
    if walk is None or seconds <= walk[1]:
        return spare
    return Plan(kind, scan.masked, walk[0], spare.name)
