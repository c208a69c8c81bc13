"""Histories of a made-up store that is right, and the same with one thing wrong: to prove that the checker sees it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from reliability.history.linearizability import Operation, Value

KEYS = 6
CLIENTS = 5


def right_history(seed: int, operations: int = 100) -> list[Operation]:
    """What clients of an atomic store see, whose operations overlap at random."""
    chance = random.Random(seed)
    held: dict[str, Value] = {}
    free_at = [0.0] * CLIENTS
    history: list[Operation] = []
    now = 0.0
    for number in range(operations):
        # Taking effect in the order of `now`, each operation spans it by some time before and after.
        now += chance.random()
        client = min(range(CLIENTS), key=lambda one: free_at[one])
        called = max(free_at[client], now - 3 * chance.random())
        now = max(now, called)
        returned = now + 3 * chance.random()
        free_at[client] = returned + 1e-6
        history.append(replace(_operation(chance, number, held), client=client, called=called, returned=returned))
    return history


def _operation(chance: random.Random, number: int, held: dict[str, Value]) -> Operation:
    key, other = (f"k{one}" for one in chance.sample(range(KEYS), 2))
    value = f"v{number}"
    draw = chance.random()
    if draw < 0.4:
        return Operation(0, 0.0, saw={key: held.get(key)})
    if draw < 0.7:
        held[key] = value
        return Operation(0, 0.0, writes={key: value})
    if draw < 0.8:
        needs = {key: held.get(key) if chance.random() < 0.7 else "never"}
        took_effect = needs[key] == held.get(key)
        if took_effect:
            held[key] = value
        return Operation(0, 0.0, writes={key: value}, needs=needs, took_effect=took_effect)
    if draw < 0.9:
        there = held.get(key) is not None
        held[key] = None
        return Operation(0, 0.0, writes={key: None}, forbids={key: None}, took_effect=there)
    held[key], held[other] = value, None
    return Operation(0, 0.0, writes={key: value, other: None})


@dataclass(frozen=True, slots=True)
class _Quiet:
    """A read of one key while nobody else touches it, and the writes of that key completed before it, in order."""

    read: int
    key: str
    writes: Sequence[Operation]


def stale_read(history: Sequence[Operation], chance: random.Random) -> list[Operation] | None:
    """A read answers with what a completed write has replaced."""
    return _with_read(history, chance, lambda values: [one for one in values if one not in {values[-1], None}])


def lost_update(history: Sequence[Operation], chance: random.Random) -> list[Operation] | None:
    """A write that was acknowledged is nowhere to be seen: the key holds nothing."""
    return _with_read(history, chance, lambda values: [None] if values[-1] is not None else [])


def revived_delete(history: Sequence[Operation], chance: random.Random) -> list[Operation] | None:
    """What was deleted is there again."""
    return _with_read(history, chance, lambda values: [one for one in values if one] if values[-1] is None else [])


Fault: TypeAlias = Callable[[Sequence[Operation], random.Random], list[Operation] | None]
"""Plants itself into a history, or answers None where the history has no place for it."""

FAULTS: dict[str, Fault] = {
    "stale read": stale_read,
    "lost update": lost_update,
    "revived delete": revived_delete,
}


def _with_read(
    history: Sequence[Operation], chance: random.Random, wrong_values: Callable[[list[Value]], list[Value]]
) -> list[Operation] | None:
    """The history with one read answered by one of the wrong values, given what was written before it."""
    quiet = _quiet_reads(history)
    places = [(one.read, one.key, value) for one in quiet for value in wrong_values(_values(one))]
    if not places:
        return None
    number, key, value = chance.choice(places)
    return [*history[:number], replace(history[number], saw={key: value}), *history[number + 1 :]]


def _values(quiet: _Quiet) -> list[Value]:
    return [operation.writes[quiet.key] for operation in quiet.writes]


def _quiet_reads(history: Sequence[Operation]) -> list[_Quiet]:
    """Reads whose key nobody writes meanwhile, and whose last write overlaps no other write of that key."""
    found = []
    for number, read in enumerate(history):
        if not read.saw:
            continue
        (key,) = read.saw
        writes = [one for one in history if key in one.writes and one.took_effect and one.called < read.returned]
        writes.sort(key=lambda one: one.returned)
        if not writes or writes[-1].returned >= read.called:
            continue
        if any(one.returned >= writes[-1].called for one in writes[:-1]):
            continue
        found.append(_Quiet(number, key, writes))
    return found
