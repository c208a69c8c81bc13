"""How near two embeddings are."""

from collections.abc import Iterable
from enum import StrEnum


class Metric(StrEnum):
    """Distance is smaller-is-better; score is bigger-is-better and what people read.

    cosine: distance 1 - cos, score cos. dot: distance -<q,x>, score <q,x>.
    l2: distance squared Euclidean, score its negative.
    """

    COSINE = "cosine"
    L2 = "l2"
    DOT = "dot"

    def score(self, distance: float) -> float:
        """The score that belongs to a distance."""
        return 1.0 - distance if self is Metric.COSINE else -distance

    def scores(self, distances: Iterable[float]) -> list[float]:
        """The scores that belong to distances."""
        if self is Metric.COSINE:
            return [1.0 - distance for distance in distances]
        return [-distance for distance in distances]
