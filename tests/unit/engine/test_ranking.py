"""One ranking of several against a plain sort, and that ids are read only where distances do not decide."""

from __future__ import annotations

import numpy as np
import pytest

from quiredb.engine.ranking import PartRanking, RankedRows, merged


def parts_of(distances: list[list[float]]) -> tuple[list[PartRanking], list[tuple[float, str, int]], list[str]]:
    """Parts with ids that go across them, all rows as (distance, id, row), and the ids that were asked for."""
    random, asked = np.random.default_rng(1), list[str]()
    ids = iter([f"chunk-{number:03d}" for number in random.permutation(1000)])
    parts, everything = [], []
    for number, part in enumerate(distances):
        rows = sorted((distance, next(ids), 100 * number + place) for place, distance in enumerate(part))
        everything += rows

        def tell(place: int, names: tuple[str, ...] = tuple(name for _, name, _ in rows)) -> str:
            asked.append(names[place])
            return names[place]

        parts.append(PartRanking(_columns(rows), tell))
    return parts, sorted(everything), asked


def _columns(rows: list[tuple[float, str, int]]) -> RankedRows:
    return RankedRows([row[0] for row in rows], [row[2] for row in rows], [7 + row[2] for row in rows])


@pytest.mark.parametrize("k", [1, 2, 5, 17, 60, 100])
@pytest.mark.parametrize("count", [0, 1, 2, 4])
def test_parts_are_ranked_by_distance_and_id(count: int, k: int) -> None:
    random = np.random.default_rng(k)
    parts, everything, _ = parts_of([random.integers(0, 6, 20).astype(float).tolist() for _ in range(count)])
    assert merged(parts, k).rows == [row for _, _, row in everything[:k]]


def test_ids_are_read_only_where_distances_do_not_decide() -> None:
    parts, everything, asked = parts_of([[0.1, 0.4, 0.9], [0.2, 0.3, 0.9]])
    assert merged(parts, 4).rows == [row for _, _, row in everything[:4]]
    assert merged(parts[:1], 3).rows == [0, 1, 2]
    assert asked == []
    assert merged(parts, 5).rows == [row for _, _, row in everything[:5]]
    assert len(asked) == 6
