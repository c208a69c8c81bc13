"""Is a history of concurrent operations linearizable? A checker after Wing and Gong (1993) and Lowe (2017).

Every operation took effect at one moment between its invocation and its completion, if there is an order of the
operations that respects real time and that a plain map explains. The keys of a history are cut into groups that no
operation crosses; each group is judged by itself, which is sound because linearizability is local (Herlihy and Wing,
1990). Going through the events in time, the checker keeps all configurations that explain what was seen: the group's
values, and which of the operations under way have taken effect. Equal configurations are kept once, which is what keeps
the number small. An operation whose outcome nobody heard may take effect at any time after its invocation, or never.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

Value: TypeAlias = str | None
"""What a key holds; None: nothing. No two writes of a history write the same value."""

State: TypeAlias = tuple[tuple[str, str], ...]
"""The keys that hold something with their values, sorted."""

Configuration: TypeAlias = tuple[State, frozenset[int]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a client, with what it was told.

    `writes` happen all together, if for every key of `needs` the value is the one given. `took_effect`: True after an
    answer that says so, False when it was refused because the needs did not hold, None when the answer was not heard.
    `saw` is what the operation read, at the moment at which it took effect or was refused.
    """

    client: int
    called: float
    returned: float = math.inf
    writes: Mapping[str, Value] = field(default_factory=dict)
    needs: Mapping[str, Value] = field(default_factory=dict)
    forbids: Mapping[str, Value] = field(default_factory=dict)
    saw: Mapping[str, Value] = field(default_factory=dict)
    took_effect: bool | None = True

    @property
    def keys(self) -> frozenset[str]:
        """All keys that it touches."""
        return frozenset((*self.writes, *self.needs, *self.forbids, *self.saw))

    def after(self, state: State) -> State | None:
        """The state after it, or None where it cannot have happened as its answer says."""
        held = dict(state)
        if any(held.get(key) != value for key, value in self.saw.items()):
            return None
        holds = all(held.get(key) == value for key, value in self.needs.items())
        holds = holds and all(held.get(key) != value for key, value in self.forbids.items())
        if self.took_effect is False:
            return None if holds else state
        if not holds:
            return None
        for key, value in self.writes.items():
            if value is None:
                held.pop(key, None)
            else:
                held[key] = value
        return tuple(sorted(held.items()))

    def __str__(self) -> str:
        done = {True: "done", False: "refused", None: "outcome unknown"}[self.took_effect]
        parts = {"writes": self.writes, "needs": self.needs, "forbids": self.forbids, "saw": self.saw}
        said = ", ".join(f"{name} {dict(part)}" for name, part in parts.items() if part)
        return f"client {self.client}, {self.called:.6f} to {self.returned:.6f} s, {done}: {said}"


def explain(history: Iterable[Operation]) -> str | None:
    """None when the history is linearizable; otherwise the first operation that no order explains."""
    for group in groups(history):
        stuck = _stuck(group)
        if stuck is not None:
            return f"no order of the operations explains this one: {stuck}"
    return None


def groups(history: Iterable[Operation]) -> list[list[Operation]]:
    """The operations by groups of keys such that none touches two groups."""
    group_of: dict[str, int] = {}
    members: dict[int, list[Operation]] = {}
    for number, operation in enumerate(history):
        joined = sorted({group_of[key] for key in operation.keys if key in group_of} | {number})
        first = joined[0]
        merged = [one for group in joined for one in members.pop(group, [])]
        members[first] = [*merged, operation]
        for one in members[first] if len(joined) > 2 else [operation]:
            group_of.update(dict.fromkeys(one.keys, first))
    return list(members.values())


def _stuck(operations: Sequence[Operation]) -> Operation | None:
    """The operation at whose completion no configuration is left, or None."""
    events = [(operation.called, 0, number) for number, operation in enumerate(operations)]
    events += [(one.returned, 1, number) for number, one in enumerate(operations) if one.took_effect is not None]
    under_way: set[int] = set()
    configurations: set[Configuration] = {((), frozenset())}
    for _, is_return, number in sorted(events):
        if not is_return:
            under_way.add(number)
            continue
        configurations = _completed(operations, under_way, configurations, number)
        if not configurations:
            return operations[number]
        under_way.remove(number)
    return None


def _completed(
    operations: Sequence[Operation], under_way: set[int], configurations: set[Configuration], number: int
) -> set[Configuration]:
    """The configurations in which the operation has taken effect, whatever others took effect before it."""
    complete: set[Configuration] = set()
    waiting, known = list(configurations), set(configurations)
    while waiting:
        state, effective = waiting.pop()
        if number in effective:
            complete.add((state, effective - {number}))
            continue
        for candidate in under_way - effective:
            after = operations[candidate].after(state)
            if after is None:
                continue
            configuration = (after, effective | {candidate})
            if configuration not in known:
                known.add(configuration)
                waiting.append(configuration)
    return complete
