"""A client that does everything at random to a few chunks, and notes what it was told and when."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from reliability.history.linearizability import Operation, Value
from reliability.wire import Answer, Cut, Wire

LIBRARY = "history"
GROUPS = 4
KEYS_PER_GROUP = 3
_VECTOR = [1.0, 2.0]


@dataclass(slots=True)
class Client:
    """One client: what it did, and the versions under which it last saw each chunk."""

    number: int
    chance: random.Random
    made: int = 0
    operations: list[Operation] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    seen: dict[str, tuple[str, str]] = field(default_factory=dict)

    def run(self, port: Callable[[], int | None], over: threading.Event) -> None:
        """Operate until told to stop, on whatever server there is."""
        while not over.is_set():
            now = port()
            if now is None:
                over.wait(0.002)
                continue
            with Wire(now) as wire:
                self._use(wire, now, port, over)

    def _use(self, wire: Wire, connected: int, port: Callable[[], int | None], over: threading.Event) -> None:
        try:
            while port() == connected and not over.is_set():
                self._operate(wire)
        except Cut:
            return

    def _operate(self, wire: Wire) -> None:
        act = self.chance.choices(
            [
                self._read,
                self._read_all,
                self._search,
                self._put,
                self._delete,
                self._exchange,
                self._create,
                self._batch,
            ],
            [6, 2, 2, 4, 2, 3, 1, 2],
        )[0]
        act(wire, self.chance.randrange(GROUPS))

    def _read(self, wire: Wire, group: int) -> None:
        key = self._key(group)
        called = time.perf_counter()
        answer = wire.ask("GET", f"{_path(key)}")
        if self._is_expected(answer, 200, 404):
            self._saw(key, answer)
            value = answer.json()["text"] if answer.status == 200 else None
            self._note(called, saw={key: value})

    def _read_all(self, wire: Wire, group: int) -> None:
        called = time.perf_counter()
        body = {"filter": {"tags": {"contains": f"g{group}"}}, "include": ["text"]}
        answer = wire.ask("POST", f"/v1/libraries/{LIBRARY}/chunks/scan", body)
        if self._is_expected(answer, 200):
            self._note(called, saw=_snapshot(group, answer.json()["items"]))

    def _search(self, wire: Wire, group: int) -> None:
        called = time.perf_counter()
        body = {"vector": _VECTOR, "k": 50, "filter": {"tags": {"contains": f"g{group}"}}, "include": ["text"]}
        answer = wire.ask("POST", f"/v1/libraries/{LIBRARY}/search", body)
        if self._is_expected(answer, 200):
            self._note(called, saw=_snapshot(group, answer.json()["hits"]))

    def _put(self, wire: Wire, group: int) -> None:
        key, value = self._key(group), self._value()
        self._write(wire, Operation(self.number, 0.0, writes={key: value}), "PUT", _path(key), _chunk(value, group))

    def _create(self, wire: Wire, group: int) -> None:
        key, value = self._key(group), self._value()
        operation = Operation(self.number, 0.0, writes={key: value}, needs={key: None})
        self._write(wire, operation, "PUT", _path(key), _chunk(value, group), {"if-none-match": "*"})

    def _exchange(self, wire: Wire, group: int) -> None:
        known = [key for key in _keys(group) if key in self.seen]
        if not known:
            self._read(wire, group)
            return
        key, value = self.chance.choice(known), self._value()
        before, etag = self.seen[key]
        operation = Operation(self.number, 0.0, writes={key: value}, needs={key: before})
        self._write(wire, operation, "PUT", _path(key), _chunk(value, group), {"if-match": etag})

    def _delete(self, wire: Wire, group: int) -> None:
        key = self._key(group)
        operation = Operation(self.number, 0.0, writes={key: None}, forbids={key: None})
        self._write(wire, operation, "DELETE", _path(key), None)

    def _batch(self, wire: Wire, group: int) -> None:
        """All chunks of a group at once: new values for some, none for the others."""
        writes = {key: self._value() if self.chance.random() < 0.7 else None for key in _keys(group)}
        operations = [
            {"delete": {"id": key}}
            if value is None
            else {"put": {"id": key, "document_id": f"g{group}", **_chunk(value, group)}}
            for key, value in writes.items()
        ]
        operation = Operation(self.number, 0.0, writes=writes)
        path = f"/v1/libraries/{LIBRARY}/chunks/batch"
        self._write(wire, operation, "POST", path, {"operations": operations})

    def _write(
        self,
        wire: Wire,
        operation: Operation,
        method: str,
        path: str,
        body: Any,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        called = time.perf_counter()
        try:
            answer = wire.ask(method, path, body, headers)
        except Cut as cut:
            if cut.sent:
                self.operations.append(replace(operation, called=called, took_effect=None))
            raise
        refused = answer.status in {404, 412} and bool(operation.needs or operation.forbids)
        if refused or self._is_expected(answer, 200, 201, 204):
            done = replace(operation, called=called, returned=time.perf_counter(), took_effect=not refused)
            self.operations.append(done)

    def _note(self, called: float, saw: Mapping[str, Value]) -> None:
        self.operations.append(Operation(self.number, called, time.perf_counter(), saw=saw))

    def _saw(self, key: str, answer: Answer) -> None:
        if answer.status == 200:
            self.seen[key] = (answer.json()["text"], answer.headers["etag"])

    def _is_expected(self, answer: Answer, *statuses: int) -> bool:
        # While a server starts it answers 503 to everything: nothing was read or written.
        if answer.status not in (*statuses, 503):
            self.violations.append(f"client {self.number} was answered {answer}")
        return answer.status in statuses

    def _key(self, group: int) -> str:
        return self.chance.choice(_keys(group))

    def _value(self) -> str:
        self.made += 1
        return f"{self.number}-{self.made}"


def _keys(group: int) -> list[str]:
    return [f"g{group}-{number}" for number in range(KEYS_PER_GROUP)]


def _path(key: str) -> str:
    return f"/v1/libraries/{LIBRARY}/documents/{key.partition('-')[0]}/chunks/{key}"


def _chunk(value: str, group: int) -> dict[str, Any]:
    return {"text": value, "embedding": _VECTOR, "metadata": {"tags": [f"g{group}"]}}


def _snapshot(group: int, items: Sequence[Mapping[str, Any]]) -> dict[str, Value]:
    held = {item["id"]: item["text"] for item in items}
    return {key: held.get(key) for key in _keys(group)}
