"""The walk of the graph with lists and NumPy: estimates by signs, scores by codes, three rows at a time, in rounds,
and a last look at what is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

SEEDS, TOGETHER, SLACK, BINS, OPTIMISM, LOOKS = 4, 3, 16, 512, 0.15, 24


@dataclass
class Scores:
    """Estimates and scores of all rows for one query, a number that none is below, and the error of estimates."""

    estimates: NDArray[np.float32]
    scores: NDArray[np.float32]
    lowest: np.float32
    margin: np.float32


def to_levels(x: NDArray[np.float32], levels: int) -> tuple[NDArray[np.int64], np.float32]:
    step = np.abs(x).max() / np.float32(levels)
    inverse = np.float32(1) / step if step > 1e-30 else np.float32(0)
    return np.rint(x * inverse).astype(np.int64), step


def score_all(
    z: NDArray[np.float32], turned: NDArray[np.float32], codes: NDArray[np.uint8], records: NDArray[np.uint8],
    radius: float | None, typical: float,
) -> Scores:  # fmt: skip
    """z float32[D], the query's side; turned, the same rotated; records and codes of the graph; radius: None for l2;
    typical: the usual length of a coded row.
    """
    size = len(z)
    bits = np.unpackbits(records[:, : size // 8], axis=1, bitorder="little").astype(np.int64)
    factors = np.ascontiguousarray(records[:, size // 8 : size // 8 + 16]).view(np.float32)
    length = np.sqrt((z.astype(np.float64) ** 2).sum())
    p, step = to_levels(turned, 7)
    shift = np.float32(OPTIMISM * length) - step * np.float32(p.sum())
    estimates = factors[:, 0] + factors[:, 1] * (np.float32(2) * step * (bits @ p).astype(np.float32) + shift)
    p, step = to_levels(z, 127)
    doubled = 2 * (codes.astype(np.int64) @ p) - 255 * p.sum()
    scores = factors[:, 0] + factors[:, 2] * step * doubled.astype(np.float32)
    margin = np.float32((2 if radius is None else 1) * 0.75 * typical * length / np.sqrt(size))
    return Scores(estimates, scores, np.float32(-length * length if radius is None else -length * radius), margin)


@dataclass
class Limit:
    """The upper edge of the bin of the `rank`-th best score; of equal scores in a row one counts."""

    lowest: np.float32
    per_score: np.float32
    rank: int
    counts: Counter[int] = field(default_factory=Counter)
    latest: dict[int, np.float32] = field(default_factory=dict)
    last: int = BINS - 1

    def edge(self) -> np.float32:
        if self.last == BINS - 1:
            return np.float32(np.inf)
        return self.lowest + np.float32(self.last + 1) / self.per_score

    def count(self, score: np.float32) -> None:
        above = (score - self.lowest) * self.per_score
        if above >= self.last + 1 or self.latest.get(step := max(0, int(above))) == score:
            return
        self.latest[step] = score
        self.counts[step] += 1
        while self.last and sum(n for bin_, n in self.counts.items() if bin_ < self.last) >= self.rank:
            self.last -= 1


def look_again(
    frontier: list[tuple[np.float32, int, bool]],
    best: list[tuple[np.float32, int]],
    scored: Scores,
    k: int,
    capacity: int,
) -> list[int]:
    """The best rows, nearest first, with those of the frontier that are within an error of the k-th by estimate."""
    if len(best) < k:
        return [row for _, row in best]
    bar = best[k - 1][0] + scored.margin
    for score, row, final in sorted(frontier)[:LOOKS]:
        if score >= bar or final:
            continue
        if sum(score == scored.scores[row] for score, _ in best) < k:
            best = sorted([*best, (scored.scores[row], row)])[:capacity]
    return [row for _, row in best]


def walk(
    neighbours: NDArray[np.int32], entries: Sequence[int], scored: Scores, width: int, k: int, capacity: int
) -> list[int]:
    """The best rows that were scored, nearest first by score; at most `k` of one score."""
    seeds: list[tuple[np.float32, int]] = []
    for entry in entries:
        if scored.estimates[entry] not in [score for score, _ in seeds]:
            seeds = sorted([*seeds, (scored.estimates[entry], int(entry))])[:SEEDS]
    frontier = [(score, row, False) for score, row in seeds]
    seen = {row for _, row in seeds}
    limit = Limit(scored.lowest, np.float32(BINS) / (seeds[-1][0] - scored.lowest), width + SLACK)
    best: list[tuple[np.float32, int]] = []
    fresh: list[int] = []
    while True:
        frontier.sort()
        picks, frontier = frontier[:TOGETHER], frontier[TOGETHER:]
        if not picks and not fresh:
            return look_again(frontier, best, scored, k, capacity)
        bound = limit.edge()
        for row in [row for row in fresh if scored.estimates[row] < bound]:
            frontier.append((scored.estimates[row], row, False))
            limit.count(scored.estimates[row])
        fresh, finished = [], False
        for _, row, _ in picks:
            item = (scored.scores[row], row, True)
            if frontier and item > min(frontier):
                frontier.append(item)
                continue
            if len(best) >= width and (item[0], row) >= best[width - 1]:
                finished = True
                continue
            if sum(score == item[0] for score, _ in best) >= k:
                continue
            best = sorted([*best, (item[0], row)])[:capacity]
            met = [int(other) for other in neighbours[row] if other >= 0 and other not in seen]
            fresh += met
            seen.update(met)
        if finished:
            return look_again(frontier, best, scored, k, capacity)
