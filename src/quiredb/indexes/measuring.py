"""Measures what an index's effort buys, with and without masks: the base of "recall is the knob"."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quiredb.indexes.contract import Distances, IndexStructure, Mask, Rows, Vectors
from quiredb.indexes.curve import EffortCurve, EffortPoint, Measured, lower_of
from quiredb.indexes.flat import FlatIndex
from quiredb.indexes.graph import GraphIndex
from quiredb.indexes.held_out import MASKED_QUERIES, QUERIES, HeldOut, Sample, ask, hold_out, truths
from quiredb.indexes.planner import DEFAULT_RECALL, promised

NEIGHBOURS = (10, 100)
"""The k that searches are measured for; what they find at k = 10 is judged at k = 1 too."""
MASKED_SHARES = (0.9, 0.5, 0.2, 0.05)
"""Where the nearest half is missing a walk gives up; where only the nearest tenth is, it goes on and finds less."""
SCANNED_SHARES = (0.001, 0.01, 0.1, 0.5, 1.0)
_SIGNED_SHARE = 0.2
"""The share of allowed rows at which scans by signs are held to their recall; it hardly matters to them."""

_CONFIDENCE = 1.645
"""Standard errors between the mean and its lower 95 % bound."""
_DOUBT = 2
"""Neighbours that one imaginary query misses: what a sample without any miss leaves open."""
_SCANS_TIMED = 5
_TURNS = 3
_SLOWER_MASKED = 4.0
"""A masked walk is not worth measuring where a scan takes no longer than this many walks without a mask."""
_HIGHEST = 0.99
"""A curve goes on until this recall can be promised: who asks for more gets a scan where it does not happen to."""
_MANY = 3
"""At the larger k fewer queries do, as each has more neighbours to find: one in this many."""
_TIMED = 24
"""Queries of the first kind that are walked, and timed, at every effort. All others rest once a walk has found all:
that a longer one misses some of it changes hardly any curve, and none by more than 0.0004."""
_STEP = 1.45
"""An effort is measured when it is this many times the last one: between them the planner interpolates."""

_EFFORT_ABOVE_K = frozenset({"graph"})
"""Kinds whose effort counts rows, so that it is at least k."""


@dataclass(frozen=True, slots=True)
class _Exam:
    """Questions under one mask, which allows so many rows, with their true distances, float64[m, k] ascending.

    shares: float64[m, j], the recall of each question at the j k's that are judged, by the last walk that it needed;
    settled: bool[m], whether that walk found all; timed: how many of the first are walked at every effort.
    """

    queries: Vectors
    truths: Distances
    mask: Mask | None
    allowed: int | None
    shares: NDArray[np.float64]
    settled: NDArray[np.bool_]
    timed: int


def measure(
    flat: FlatIndex, structure: IndexStructure, seed: int = 0, check: Callable[[], None] = lambda: None
) -> Measured:
    """Curves of `structure` by k and share of allowed rows, on own rows held out, and the cost of scans.

    Shares at which a scan costs little more than a walk without a mask are left out: the planner scans them. `check`
    is called between curves and may raise to stop.
    """
    random = np.random.default_rng(seed)
    scan_seconds, masked_scans = _scans(flat, random)
    bare = Measured((), scan_seconds, masked_scans)
    if structure.kind == "flat" or flat.count < 2:
        return bare
    held = hold_out(flat, structure, random)
    curves = _curves(held, ((held.plain(),),), 1.0, bare.scan(1.0), check)
    orders = held.orders(random)
    sign_scans, sign_recall = _signs(held, orders, random, check)
    walk = curves[1].walk_for(promised(DEFAULT_RECALL))
    shares = [share for share in MASKED_SHARES if walk and bare.scan(share) > _SLOWER_MASKED * walk[1]]
    for share in shares:
        curves += _curves(held, held.masked(share, orders, random), share, bare.scan(share), check)
    return Measured(tuple(curves), scan_seconds, masked_scans, sign_scans, sign_recall)


def measure_again(
    flat: FlatIndex,
    structure: IndexStructure,
    measured: Measured,
    queries: Vectors,
    check: Callable[[], None] = lambda: None,
) -> Measured:
    """What was measured, lowered to what `queries` (float32[m, d], not rows of the index) find at the same efforts.

    Of many queries a sample as large as that of a build is taken. `check` is called between curves and may raise.
    """
    random = np.random.default_rng(len(queries))
    queries = queries[np.sort(random.permutation(len(queries))[:QUERIES])]
    everything = np.ones(flat.count, np.bool_)
    asked = HeldOut(flat, structure, np.empty(0, np.int64), everything, ask(flat, queries, None))
    curves: list[EffortCurve] = []
    for share in sorted({curve.share for curve in measured.curves}, reverse=True):
        mask = None if share == 1 else random.random(flat.count) < share
        members = np.arange(len(queries) if share == 1 else min(MASKED_QUERIES, len(queries)))
        found = _curves(asked, ((Sample(members, mask, mask),),), share, measured.scan(share), check)
        own = {curve.k: curve for curve in measured.curves if curve.share == share}
        curves += [lower_of(own[curve.k], curve) for curve in found if curve.k in own]
    return replace(measured, curves=tuple(curves))


def shares_found(found: Distances, true: Distances) -> NDArray[np.float64]:
    """The recall of each of m walks: found, true: float64[m, k]. A row as near as the last true one counts: ties do.

    Where there is nothing to find all of it is found.
    """
    if true.shape[1] == 0:
        return np.ones(len(true))
    return np.asarray((found <= true[:, -1:]).sum(axis=1) / true.shape[1], np.float64)


def lower_bound(shares: NDArray[np.float64], k: int, mean: float | None = None) -> float:
    """The recall@k that queries like those measured exceed on average with 95 % confidence.

    shares: of each query; mean: in place of theirs, where some of them are harder than others.
    """
    doubted = np.append(shares, min(float(shares.min()), max(0.0, 1 - _DOUBT / k)))
    centre = float(doubted.mean() if mean is None else mean - (mean - doubted[-1]) / len(doubted))
    return centre - _CONFIDENCE * float(doubted.std()) / float(np.sqrt(len(doubted)))


def _curves(
    held: HeldOut, kinds: Sequence[Sequence[Sample]], share: float, scan_seconds: float, check: Callable[[], None]
) -> list[EffortCurve]:
    """Curves at every k from samples of one or more kinds. The hardest kind counts; the first is timed."""
    check()
    few, many = NEIGHBOURS
    ends = (promised(_HIGHEST, masked=share < 1), scan_seconds)
    first, tenth = _sweep(held, kinds, few, (1, few), ends)
    check()
    thinner = [[sample.every(_MANY) for sample in samples] for samples in kinds]
    (hundredth,) = _sweep(held, thinner, many, (many,), ends)
    measured = ((1, first), (few, tenth), (many, hundredth))
    return [EffortCurve(share, k, tuple(points)) for k, points in measured]


def _sweep(
    held: HeldOut, kinds: Sequence[Sequence[Sample]], k: int, judged: Sequence[int], ends: tuple[float, float]
) -> list[list[EffortPoint]]:
    """Points by effort, of searches for `k` judged at each of `judged`.

    Efforts of a graph below k are left out, as a search would raise them to k. It ends once as much is
    found as the first of `ends` says, at each of `judged`, or a search takes longer than the second, seconds.
    """
    structure = held.structure
    exams = [
        [_exam(held, sample, k, len(judged), _TIMED if samples is kinds[0] else 0) for sample in samples]
        for samples in kinds
    ]
    points: list[list[EffortPoint]] = [[] for _ in judged]
    efforts = _spread(structure.efforts)
    for effort in [value for value in efforts if value >= k or structure.kind not in _EFFORT_ABOVE_K]:
        times = [[_sit(structure, exam, effort, judged) for exam in exams_of_kind] for exams_of_kind in exams]
        seconds = statistics.median(np.concatenate(times[0]).tolist())
        recalls = [np.concatenate([exam.shares for exam in exams_of_kind]) for exams_of_kind in exams]
        for number, k_judged in enumerate(judged):
            hardest = min(float(shares[:, number].mean()) for shares in recalls)
            # One neighbour is found or not: so coarse a measure has wide bounds, and the next k has the same queries.
            everything = np.concatenate(recalls)[:, number]
            bound = hardest if k_judged < k else lower_bound(everything, k, hardest)
            points[number].append(EffortPoint(effort, bound, seconds))
        if min(found[-1].recall for found in points) >= ends[0] or seconds > ends[1]:
            break
    return points


def _sit(structure: IndexStructure, exam: _Exam, effort: int, judged: Sequence[int]) -> list[float]:
    """Bring the shares of an exam to an effort; returns the seconds of the walks of the first questions.

    These are walked one by one, of the others those that are not settled all at once. A walk that finds too few is
    repeated by a scan, so it finds all; but of such a walk a longer one may find enough, and not all.
    """
    wanted = exam.truths.shape[1]
    members = np.arange(len(exam.queries))
    members = members[(members < exam.timed) | ~exam.settled]
    if wanted == 0 or members.size == 0:
        return [0.0]
    times, first = [], int(np.count_nonzero(members < exam.timed))
    found = np.full((len(members), wanted), np.inf)
    for number, query in enumerate(exam.queries[:first]):
        started = time.perf_counter()
        _, distances = structure.search(query, wanted, effort=effort, mask=exam.mask, allowed=exam.allowed)
        times.append(time.perf_counter() - started)
        found[number, : len(distances)] = distances
    rest = exam.queries[members[first:]]
    found[first:] = structure.search_batch(rest, wanted, effort=effort, mask=exam.mask, allowed=exam.allowed)[1]
    enough = np.isfinite(found[:, -1])
    for column, many in enumerate(judged):
        shares = shares_found(found[:, :many], exam.truths[members, :many])
        exam.shares[members, column] = np.where(enough, shares, 1.0)
    exam.settled[members] = enough & (exam.shares[members, -1] == 1)
    return times


def _exam(held: HeldOut, sample: Sample, k: int, judged: int, timed: int) -> _Exam:
    """Find the truth for the questions of a sample."""
    true = truths(held.flat, held.questions, sample.members, sample.answers, k)
    count = len(sample.members)
    return _Exam(
        queries=held.questions.queries[sample.members],
        truths=np.stack(true),
        mask=sample.mask,
        allowed=None if sample.mask is None else int(np.count_nonzero(sample.mask)),
        shares=np.ones((count, judged)),
        settled=np.zeros(count, np.bool_),
        timed=timed,
    )


def _spread(efforts: Sequence[int]) -> list[int]:
    """The first effort, each that is at least `_STEP` times the last one chosen, and the largest."""
    chosen = list(efforts[:1])
    for effort in efforts[1:]:
        if effort >= _STEP * chosen[-1] or effort == efforts[-1]:
            chosen.append(effort)
    return chosen


def _scans(flat: FlatIndex, random: np.random.Generator) -> tuple[float, tuple[tuple[float, float], ...]]:
    """Median seconds of an exact search over all rows, and among shares of them."""
    if not flat.count:
        return 0.0, ()
    queries = flat.vectors[random.integers(0, flat.count, _SCANS_TIMED)]

    def exact(query: Vectors, mask: Mask | None) -> None:
        flat.search(query, NEIGHBOURS[0], mask=mask)

    return _seconds(queries, None, exact), _by_share(flat, queries, random, exact)


def _signs(
    held: HeldOut, orders: Sequence[Rows], random: np.random.Generator, check: Callable[[], None]
) -> tuple[tuple[tuple[float, float], ...], float]:
    """Median seconds of a scan by signs among shares of the rows, and the recall that it can be relied on for."""
    graph, few = held.structure, NEIGHBOURS[0]
    if not isinstance(graph, GraphIndex):
        return (), 0.0

    def scan(query: Vectors, mask: Mask) -> None:
        graph.scan_signs(query[None], few, mask)

    seconds = _by_share(held.flat, held.questions.queries[:_SCANS_TIMED], random, scan)
    kinds = []
    for kind in held.masked(_SIGNED_SHARE, orders, random):
        check()
        found = []
        for sample in kind:
            assert sample.mask is not None
            _, distances = graph.scan_signs(held.questions.queries[sample.members], few, sample.mask)
            true = truths(held.flat, held.questions, sample.members, sample.answers, few)
            found.append(shares_found(distances, np.stack(true)))
        kinds.append(np.concatenate(found))
    return seconds, lower_bound(np.concatenate(kinds), few, min(float(found.mean()) for found in kinds))


def _by_share(
    flat: FlatIndex, queries: Vectors, random: np.random.Generator, scan: Callable[[Vectors, Mask], None]
) -> tuple[tuple[float, float], ...]:
    """Median seconds of scans while shares of the rows are allowed."""
    masks = [(share, random.random(flat.count) < share) for share in SCANNED_SHARES]
    return tuple((share, _seconds(queries, mask, scan)) for share, mask in masks)


def _seconds(queries: Vectors, mask: Mask | None, search: Callable[[Vectors, Any], None]) -> float:
    """The median over queries of the quickest of some turns, as whatever else the machine does makes a turn slower."""
    turns = []
    for _ in range(_TURNS):
        times = []
        for query in queries:
            started = time.perf_counter()
            search(query, mask)
            times.append(time.perf_counter() - started)
        turns.append(times)
    return statistics.median(map(min, zip(*turns, strict=True)))
