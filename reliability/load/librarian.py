"""A client that makes and removes whole libraries, and one that never lets an index rest."""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from typing import Any

from reliability.load.shelves import DIMENSION, Document, Shelf, read_shelf, same
from reliability.wire import Cut, Wire

LIBRARIES_MAX = 3
INDEXES: tuple[Mapping[str, Any], ...] = (
    {"kind": "flat"},
    {"kind": "graph", "parameters": {"degree": 8, "build_effort": 24}},
    {"kind": "ivf"},
    {"kind": "auto"},
)


class Librarian:
    """Makes libraries of one document, and removes them. `libraries` is what was acknowledged."""

    def __init__(self, seed: int, content: Document) -> None:
        self.libraries: dict[str, Shelf] = {}
        self.violations: list[str] = []
        self.acknowledged = 0
        self._content = content
        self._undecided: tuple[str, tuple[Shelf | None, ...]] | None = None
        self._random = random.Random(f"{seed} librarian")
        self._made = 0

    def run(self, wire: Wire, over: threading.Event) -> None:
        """Make and remove until the server is gone, or told to stop."""
        try:
            while not over.is_set():
                if len(self.libraries) < LIBRARIES_MAX and self._random.random() < 0.6:
                    self._make(wire)
                elif self.libraries:
                    self._remove(wire, self._random.choice(list(self.libraries)))
        except Cut:
            return

    def check(self, found: Mapping[str, list[Mapping[str, Any]]]) -> list[str]:
        """Judge the exports of all libraries but the main one, and go on from them."""
        wrong = []
        expected: dict[str, tuple[Shelf | None, ...]] = {name: (shelf,) for name, shelf in self.libraries.items()}
        if self._undecided is not None:
            expected[self._undecided[0]] = self._undecided[1]
        shelves: dict[str, Shelf] = {name: read_shelf(lines)[0] for name, lines in found.items()}
        for name, candidates in expected.items():
            shelf = shelves.get(name)
            if not any(shelf is one if one is None or shelf is None else same(one, shelf) for one in candidates):
                wrong.append(f"the library {name} is not as it was acknowledged")
        wrong += [f"the library {name} should not be there" for name in shelves if name not in expected]
        self.libraries, self._undecided = shelves, None
        return wrong

    def _make(self, wire: Wire) -> None:
        self._made += 1
        name = f"extra-{self._made}"
        self._undecided = (name, (None, {}))
        self._send(wire, "PUT", f"/v1/libraries/{name}", {"dimension": DIMENSION, "metric": "l2"})
        self.libraries[name] = {}
        self._undecided = (name, ({}, {"one": self._content}))
        self._send(wire, "PUT", f"/v1/libraries/{name}/documents/one", self._content.as_body())
        self.libraries[name] = {"one": self._content}
        self._undecided = None

    def _remove(self, wire: Wire, name: str) -> None:
        self._undecided = (name, (self.libraries[name], None))
        self._send(wire, "DELETE", f"/v1/libraries/{name}", None)
        del self.libraries[name]
        self._undecided = None

    def _send(self, wire: Wire, method: str, path: str, body: Any) -> None:
        answer = wire.ask(method, path, body)
        self.acknowledged += 1
        if not answer.is_done:
            self.violations.append(f"librarian: {method} {path} was answered {answer}")


class Indexer:
    """Asks for one index after the other, and waits for each no longer than a while."""

    def __init__(self, seed: int, library: str) -> None:
        self.builds = 0
        self.violations: list[str] = []
        self._path = f"/v1/libraries/{library}/index"
        self._random = random.Random(f"{seed} indexer")

    def run(self, wire: Wire, over: threading.Event) -> None:
        """Rebuild until the server is gone, or told to stop."""
        try:
            while not over.is_set():
                answer = wire.ask("PUT", self._path, self._random.choice(INDEXES))
                if answer.status != 202:
                    self.violations.append(f"indexer: PUT {self._path} was answered {answer}")
                    return
                self.builds += 1
                job = answer.json()["id"]
                while not over.wait(0.01) and wire.ask("GET", f"/v1/jobs/{job}").json()["state"] in {
                    "queued",
                    "running",
                }:
                    continue
        except Cut:
            return
