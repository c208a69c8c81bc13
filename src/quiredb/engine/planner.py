"""How to search one part of a library, decided from sizes that are known before any distance is computed."""

from dataclasses import dataclass

from quiredb.engine.segment import Segment

DEFAULT_RECALL = 0.98
CURVE_K = 10
"""The k at which the efforts of segments are measured."""

_MARGIN = 0.4
"""Share of the allowed misses that is kept in reserve: queries of users are harder than those that were measured."""

_EFFORT_PER_NEIGHBOUR = 2
_SCAN_ROWS = 16_384
_SCAN_SHARE = 0.06


@dataclass(frozen=True, slots=True)
class Strategy:
    """`skip`, `scan` or `graph`; `masked` when some rows are out; the effort of a graph walk."""

    name: str
    masked: bool
    effort: int = 0

    def __str__(self) -> str:
        return f"masked-{self.name}" if self.masked else self.name


def choose_strategy(segment: Segment, allowed: int, k: int, recall: float | None, *, exact: bool) -> Strategy:
    """The strategy for a segment of which `allowed` rows may be found.

    A scan costs in proportion to the allowed rows; a walk must pass through the others too, so a masked scan wins up to
    some thousand rows, or a small share of the segment. Efforts were measured for ten neighbours; each further one
    widens the walk by two places. A recall that no effort was measured to reach is promised by a scan only; a search
    that asked for none takes the largest effort instead.
    """
    rows = len(segment)
    if allowed == 0:
        return Strategy("skip", masked=False)
    masked = allowed < rows
    certain = exact or (recall is not None and recall >= 1)
    few = allowed <= k or (masked and allowed <= max(_SCAN_ROWS, int(_SCAN_SHARE * rows)))
    if certain or few or segment.index.kind == "flat":
        return Strategy("scan", masked)
    wanted = DEFAULT_RECALL if recall is None else recall
    effort = segment.effort_for(wanted + _MARGIN * (1 - wanted))
    if effort is None and recall is None:
        effort = segment.largest_effort()
    if effort is None:
        return Strategy("scan", masked)
    return Strategy("graph", masked, effort + _EFFORT_PER_NEIGHBOUR * max(0, k - CURVE_K))
