"""What an index was measured to give: recall and seconds by effort and of scans. No kernels, only numbers."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, inf, log
from typing import Any


@dataclass(frozen=True, slots=True)
class EffortPoint:
    """One effort: the recall it can be relied on for (a lower confidence bound) and the median seconds of a search."""

    effort: int
    recall: float
    seconds: float


@dataclass(frozen=True, slots=True)
class EffortCurve:
    """Points by ascending effort, measured for `k` neighbours while a `share` of the rows was allowed (1: no mask)."""

    share: float
    k: int
    points: tuple[EffortPoint, ...]

    def walk_for(self, recall: float) -> tuple[float, float] | None:
        """(effort, seconds) of the cheapest walk that reaches `recall`; None when none was measured to.

        Every larger effort must have reached it too, so that a lucky point does not count. Between two points the
        chord is taken: recall grows ever slower with effort, so the curve lies above it.
        """
        first = len(self.points)
        while first and self.points[first - 1].recall >= recall:
            first -= 1
        if first == len(self.points):
            return None
        point = self.points[first]
        if first == 0:
            return float(point.effort), point.seconds
        before = self.points[first - 1]
        part = (recall - before.recall) / (point.recall - before.recall)
        return (
            before.effort + part * (point.effort - before.effort),
            before.seconds + part * max(0.0, point.seconds - before.seconds),
        )


def lower_of(one: EffortCurve, other: EffortCurve) -> EffortCurve:
    """At each effort of either the lower recall and the longer time; beyond its end a curve stays as it was there."""
    if not one.points or not other.points:
        return EffortCurve(one.share, one.k, ())
    efforts = sorted({point.effort for curve in (one, other) for point in curve.points})
    pairs = [(_at(one, effort), _at(other, effort)) for effort in efforts]
    points = [
        EffortPoint(effort, min(a.recall, b.recall), max(a.seconds, b.seconds))
        for effort, (a, b) in zip(efforts, pairs, strict=True)
    ]
    return EffortCurve(one.share, one.k, tuple(points))


def _at(curve: EffortCurve, effort: int) -> EffortPoint:
    """The last point up to an effort; the first where there is none."""
    return next((point for point in reversed(curve.points) if point.effort <= effort), curve.points[0])


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What was measured when an index was built.

    curves: of the structure, in any order. scan_seconds: of one exact search over all rows. masked_scans: (share of
    rows allowed, seconds of one exact search among them), shares ascending. sign_scans: the same of scans by signs, and
    sign_recall what these can be relied on for (0: there are none).
    """

    curves: tuple[EffortCurve, ...] = ()
    scan_seconds: float = 0.0
    masked_scans: tuple[tuple[float, float], ...] = ()
    sign_scans: tuple[tuple[float, float], ...] = ()
    sign_recall: float = 0.0

    def scan(self, share: float) -> float:
        """Predicted seconds of an exact search among a share of the rows (1: without a mask)."""
        if share >= 1 or not self.masked_scans:
            return self.scan_seconds
        return _between(self.masked_scans, share)

    def signs(self, share: float) -> float:
        """Predicted seconds of a scan by signs among a share of the rows."""
        return _between(self.sign_scans, share) if self.sign_scans else inf

    def walk(self, share: float, k: int, recall: float) -> tuple[int, float] | None:
        """(effort, predicted seconds) of a walk that reaches `recall` among a share of the rows; None: not measured.

        Between two measured shares the effort of the harder one counts, and a mask never makes a walk easier: queries
        unlike the rows need at least what they need without one. The seconds, which promise nothing, are interpolated:
        they grow about like a power of the share. Below the smallest share nothing is known.
        """
        shares = sorted({curve.share for curve in self.curves})
        at = bisect_left(shares, share)
        if at == len(shares) or (at == 0 and shares[0] != share):
            return None
        low, high = shares[at] if shares[at] == share else shares[at - 1], shares[at]
        harder, easier = self._walk_at(low, k, recall), self._walk_at(high, k, recall)
        bare = self._walk_at(shares[-1], k, recall)
        if harder is None or easier is None or bare is None:
            return None
        part = log(high / share) / log(high / low) if low < high else 0.0
        seconds = easier[1] ** (1 - part) * harder[1] ** part
        return ceil(max(harder[0], easier[0], bare[0])), max(seconds, bare[1])

    def largest(self, k: int) -> tuple[int, float] | None:
        """(effort, seconds) of the most that was measured without a mask."""
        points = [curve.points[-1] for curve in self.curves if curve.share == 1 and curve.points]
        best = max(points, key=lambda point: point.effort, default=None)
        return None if best is None else (max(best.effort, k), best.seconds)

    def _walk_at(self, share: float, k: int, recall: float) -> tuple[float, float] | None:
        """Interpolated between the measured k: effort grows about linearly with k at a given recall.

        Up to the second measured k the harder of the first two counts.
        """
        curves = sorted((curve for curve in self.curves if curve.share == share), key=lambda curve: curve.k)
        at = bisect_left([curve.k for curve in curves], k)
        around = curves[:2] if at <= 1 else curves[at - 1 : at + 1]
        walks = [walk for curve in around if (walk := curve.walk_for(recall)) is not None]
        if len(walks) < len(around):
            return None
        if at <= 1:
            return max(effort for effort, _ in walks), max(seconds for _, seconds in walks)
        if len(around) == 1:
            return walks[0][0] * k / around[0].k, walks[0][1] * k / around[0].k
        (low, small), (high, large) = zip((curve.k for curve in around), walks, strict=True)
        part = (k - low) / (high - low)
        return small[0] + part * (large[0] - small[0]), small[1] + part * (large[1] - small[1])

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "scan_seconds": self.scan_seconds,
            "masked_scans": [list(scan) for scan in self.masked_scans],
            "sign_scans": [list(scan) for scan in self.sign_scans],
            "sign_recall": self.sign_recall,
            "curves": [
                {
                    "share": curve.share,
                    "k": curve.k,
                    "points": [[point.effort, point.recall, point.seconds] for point in curve.points],
                }
                for curve in self.curves
            ],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Measured:
        """The inverse of `as_json`."""
        return cls(
            tuple(
                EffortCurve(
                    float(curve["share"]), int(curve["k"]), tuple(EffortPoint(*point) for point in curve["points"])
                )
                for curve in data["curves"]
            ),
            float(data["scan_seconds"]),
            _pairs(data["masked_scans"]),
            _pairs(data["sign_scans"]),
            float(data["sign_recall"]),
        )


def _pairs(listed: Iterable[Sequence[float]]) -> tuple[tuple[float, float], ...]:
    return tuple((float(share), float(seconds)) for share, seconds in listed)


def _between(scans: Sequence[tuple[float, float]], share: float) -> float:
    """Seconds at a share, interpolated between those that were measured; beyond them as at the last."""
    at = bisect_left([known for known, _ in scans], share)
    if at in (0, len(scans)):
        return scans[min(at, len(scans) - 1)][1]
    (low, quick), (high, slow) = scans[at - 1 : at + 1]
    return quick + (slow - quick) * (share - low) / (high - low)
