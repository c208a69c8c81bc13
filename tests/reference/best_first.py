"""The graph walk with lists: keep the `width` best rows seen, expand the best unexpanded until none is left."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def best_first(
    neighbours: Sequence[Sequence[int]],
    entries: Sequence[int],
    score: Callable[[int], float],
    width: int,
    ties: int,
    seeds: int = 4,
) -> list[int]:
    """The pool at the end of the walk, best first. It holds at most `ties` rows of one score, its seeds one."""
    pool: list[tuple[float, int]] = []
    order = 0

    def offer(row: int, capacity: int, ties: int) -> None:
        nonlocal order, pool
        if sum(other == score(row) for other, _ in pool) == ties:
            return
        ranked[row] = (score(row), order)
        order += 1
        pool.append((ranked[row][0], row))
        pool.sort(key=lambda item: ranked[item[1]])
        del pool[capacity:]

    ranked: dict[int, tuple[float, int]] = {}
    for row in entries:
        offer(row, min(seeds, width), 1)
    seen = {row for _, row in pool}
    expanded: set[int] = set()
    while True:
        waiting = [row for _, row in pool if row not in expanded]
        if not waiting:
            return [row for _, row in pool]
        expanded.add(waiting[0])
        for row in neighbours[waiting[0]]:
            if row >= 0 and row not in seen:
                seen.add(row)
                offer(row, width, ties)
