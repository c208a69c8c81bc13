"""The arithmetic of curves: what is reached at a recall, and how a cost grows with the number of rows."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

LEVELS = (0.90, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One effort: recall, queries per second, and what a query costs as far as it is known."""

    recall: float
    qps: float
    distances: float | None = None
    bytes_read: float | None = None


@dataclass(frozen=True, slots=True)
class AtRecall:
    """A curve read at a recall. `is_floor`: the cheapest effort is already above; a cheaper one might be faster."""

    qps: float
    distances: float | None = None
    bytes_read: float | None = None
    is_floor: bool = False


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """cost = factor * rows ** exponent; `r2` is the share of the variance of log cost that it explains."""

    exponent: float
    factor: float
    r2: float


def frontier(points: Iterable[CurvePoint]) -> list[CurvePoint]:
    """The points that no other beats in both recall and rate, by rising recall."""
    best: list[CurvePoint] = []
    for point in sorted(points, key=lambda point: (-point.recall, -point.qps)):
        if not best or point.qps > best[-1].qps:
            best.append(point)
    return best[::-1]


def at_recall(points: Iterable[CurvePoint], level: float) -> AtRecall | None:
    """Between neighbours on the frontier the logarithm of each quantity is linear in recall; None if not reached."""
    line = frontier(points)
    above = next((place for place, point in enumerate(line) if point.recall >= level), None)
    if above is None:
        return None
    upper = line[above]
    if above == 0:
        return AtRecall(upper.qps, upper.distances, upper.bytes_read, is_floor=upper.recall > level)
    lower = line[above - 1]
    share = (level - lower.recall) / (upper.recall - lower.recall)
    return AtRecall(
        math.exp(_between(math.log(lower.qps), math.log(upper.qps), share)),
        _between_logs(lower.distances, upper.distances, share),
        _between_logs(lower.bytes_read, upper.bytes_read, share),
    )


def fit_power_law(rows: Sequence[float], costs: Sequence[float]) -> PowerLaw | None:
    """Least squares on logarithms; None with fewer than two points."""
    if len(rows) < 2:
        return None
    x, y = np.log(np.asarray(rows, float)), np.log(np.asarray(costs, float))
    exponent, offset = np.polyfit(x, y, 1)
    total = float(np.square(y - y.mean()).sum())
    rest = float(np.square(y - (exponent * x + offset)).sum())
    return PowerLaw(float(exponent), math.exp(offset), 1 - rest / total if total > 0 else 1.0)


def spread(values: Sequence[float]) -> float:
    """(largest - smallest) / median: how much repeated measures of one thing differ."""
    return (max(values) - min(values)) / float(np.median(values))


def _between(low: float, high: float, share: float) -> float:
    return low + share * (high - low)


def _between_logs(low: float | None, high: float | None, share: float) -> float | None:
    if low is None or high is None or low <= 0 or high <= 0:
        return None
    return math.exp(_between(math.log(low), math.log(high), share))
