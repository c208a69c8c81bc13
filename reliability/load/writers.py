"""Clients that write without pause and know what they were told: after a cut, one request of each is undecided."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import orjson

from reliability.load.shelves import DIMENSION, Chunk, Document, Shelf
from reliability.wire import Answer, Cut, Wire

WORDS = ("amber", "birch", "copper", "dune", "ember", "fjord", "grove", "heath")
PAGES = 7
DOCUMENTS_MAX = 10
CHUNKS_MAX = 60
IMPORTED = 40
_BULK = 30


@dataclass(frozen=True, slots=True)
class Request:
    """One write, and the shelf after it as the answer tells."""

    what: str
    method: str
    path: str
    body: Any
    after: Callable[[Answer], Shelf]
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def can_be_repeated(self) -> bool:
        """Whether it carries a key by which a repeat is known."""
        return "idempotency-key" in self.headers


class Writer:
    """One client with documents of its own. `shelf` is what was acknowledged, `undecided` the request that was cut."""

    def __init__(self, number: int, library: str, seed: int) -> None:
        self.name = f"w{number}"
        self.shelf: Shelf = {}
        self.undecided: Request | None = None
        self.acknowledged: dict[str, int] = {}
        self.violations: list[str] = []
        self._path = f"/v1/libraries/{library}"
        self._random = random.Random(f"{seed} {number}")
        self._made = 0

    def run(self, wire: Wire, over: threading.Event) -> None:
        """Write until the server is gone, or told to stop."""
        while not over.is_set() and self.undecided is None:
            request = self._next()
            try:
                answer = wire.ask(request.method, request.path, request.body, request.headers)
            except Cut as cut:
                self.undecided = request if cut.sent else None
                return
            self._take(request, answer)

    def repeat(self, wire: Wire) -> None:
        """Send the undecided request again, if it has a key: then it happened once, whatever the first one did."""
        request = self.undecided
        if request is None or not request.can_be_repeated:
            return
        answer = wire.ask(request.method, request.path, request.body, request.headers)
        self.undecided = None
        self._take(request, answer)

    def candidates(self) -> list[Shelf]:
        """What the server may hold of this client."""
        if self.undecided is None:
            return [self.shelf]
        # An undecided request that answers with an id of the server's making is repeated before anybody looks.
        return [self.shelf, self.undecided.after(Answer(200, {}, b"{}"))]

    def decide(self, found: Shelf) -> None:
        """The server holds this: go on from here."""
        self.shelf, self.undecided = found, None

    def _take(self, request: Request, answer: Answer) -> None:
        if not answer.is_done:
            self.violations.append(f"{self.name}: {request.what} {request.path} was answered {answer}")
            return
        self.shelf = request.after(answer)
        self.acknowledged[request.what] = self.acknowledged.get(request.what, 0) + 1

    def _next(self) -> Request:
        filled = [name for name, document in self.shelf.items() if document.chunks]
        choices: list[tuple[Callable[[], Request], int]] = [(self._replace_document, 2), (self._import, 2)]
        if len(self.shelf) < DOCUMENTS_MAX:
            choices.append((self._make_document, 1))
        if self.shelf:
            choices += [(self._put, 6), (self._append, 2), (self._batch, 4)]
        if len(self.shelf) > 3:
            choices.append((self._drop_document, 1))
        if filled:
            choices += [(self._delete, 3), (self._patch, 2), (self._sweep, 1)]
        return self._random.choices([make for make, _ in choices], [weight for _, weight in choices])[0]()

    def _put(self) -> Request:
        name, document = self._any_document()
        chunk_id, chunk = self._chunk_id(document), self._chunk()
        after = self._with(name, document.with_chunk(chunk_id, chunk))
        return Request("put", "PUT", f"{self._of(name)}/chunks/{chunk_id}", chunk.as_body(), lambda _: after)

    def _append(self) -> Request:
        name, document = self._any_document()
        chunk = self._chunk()

        def after(answer: Answer) -> Shelf:
            return self._with(name, document.with_chunk(answer.json()["id"], chunk))

        return Request("append", "POST", f"{self._of(name)}/chunks", chunk.as_body(), after, self._key())

    def _delete(self) -> Request:
        name, document = self._any_document(filled=True)
        chunk_id = self._random.choice(list(document.chunks))
        after = self._with(name, document.without([chunk_id]))
        return Request("delete", "DELETE", f"{self._of(name)}/chunks/{chunk_id}", None, lambda _: after)

    def _patch(self) -> Request:
        name, document = self._any_document(filled=True)
        chunk_id = self._random.choice(list(document.chunks))
        chunk = replace(document.chunks[chunk_id], page=self._random.randrange(PAGES))
        after = self._with(name, document.with_chunk(chunk_id, chunk))
        body = {"metadata": {"page": chunk.page}}
        return Request("patch", "PATCH", f"{self._of(name)}/chunks/{chunk_id}", body, lambda _: after)

    def _batch(self) -> Request:
        name, document = self._any_document()
        size = self._random.choice([2, 5, _BULK])
        gone = self._random.sample(list(document.chunks), min(len(document.chunks), size))
        if len(document.chunks) - len(gone) + size > CHUNKS_MAX:
            gone = list(document.chunks)
        new = {self._new_id(): self._chunk() for _ in range(size)}
        after_document = document.without(gone)
        for chunk_id, chunk in new.items():
            after_document = after_document.with_chunk(chunk_id, chunk)
        after = self._with(name, after_document)
        operations = [{"delete": {"id": chunk_id}} for chunk_id in gone]
        operations += [{"put": chunk.as_body(id=chunk_id, document_id=name)} for chunk_id, chunk in new.items()]
        headers = self._key() if self._random.random() < 0.5 else {}
        path = f"{self._path}/chunks/batch"
        return Request("batch", "POST", path, {"operations": operations}, lambda _: after, headers)

    def _sweep(self) -> Request:
        page = self._random.randrange(PAGES)
        after = {
            name: document.without([one for one, chunk in document.chunks.items() if chunk.page == page])
            for name, document in self.shelf.items()
        }
        body = {"filter": {"page": page, "tags": {"contains": self.name}}}
        return Request("delete by filter", "POST", f"{self._path}/chunks/delete", body, lambda _: after)

    def _replace_document(self) -> Request:
        if self.shelf and (self._random.random() < 0.5 or len(self.shelf) >= DOCUMENTS_MAX):
            name, _ = self._any_document()
        else:
            name = self._new_id()
        chunks = {self._new_id(): self._chunk() for _ in range(self._random.choice([0, 1, 5, _BULK]))}
        document = Document(f"title {self._made}", self.name, chunks)
        after = self._with(name, document)
        return Request("replace document", "PUT", self._of(name), document.as_body(), lambda _: after)

    def _make_document(self) -> Request:
        headers = self._key()
        document = Document(headers["idempotency-key"], self.name)

        def after(answer: Answer) -> Shelf:
            return self._with(answer.json()["id"], document)

        return Request("make document", "POST", f"{self._path}/documents", document.as_body(), after, headers)

    def _drop_document(self) -> Request:
        name, _ = self._any_document()
        after = {one: document for one, document in self.shelf.items() if one != name}
        return Request("drop document", "DELETE", self._of(name), None, lambda _: after)

    def _import(self) -> Request:
        """A document as one line, and chunks of another as lines of their own: one commit."""
        new, chunks = self._new_id(), {self._new_id(): self._chunk() for _ in range(IMPORTED)}
        name = self._random.choice(list(self.shelf)) if len(self.shelf) >= DOCUMENTS_MAX else new
        document = Document(f"title {self._made}", self.name, chunks)
        lines = [document.as_body(id=name)]
        after = self._with(name, document)
        other = self._random.choice(list(after))
        if other != name and len(after[other].chunks) < CHUNKS_MAX:
            chunk_id, chunk = self._new_id(), self._chunk()
            lines.append(chunk.as_body(id=chunk_id, document_id=other))
            after = {**after, other: after[other].with_chunk(chunk_id, chunk)}
        body = b"".join(orjson.dumps(line) + b"\n" for line in lines)
        return Request("import", "POST", f"{self._path}/import?on_error=abort", body, lambda _: after)

    def _with(self, name: str, document: Document) -> Shelf:
        return {**self.shelf, name: document}

    def _of(self, document: str) -> str:
        return f"{self._path}/documents/{document}"

    def _any_document(self, *, filled: bool = False) -> tuple[str, Document]:
        return self._random.choice([one for one in self.shelf.items() if one[1].chunks or not filled])

    def _chunk_id(self, document: Document) -> str:
        """Of a chunk that is there, or a new one."""
        if document.chunks and (len(document.chunks) >= CHUNKS_MAX or self._random.random() < 0.5):
            return self._random.choice(list(document.chunks))
        return self._new_id()

    def _chunk(self) -> Chunk:
        # Small whole numbers: squared distances are exact, and ties are common.
        vector = np.array([self._random.randint(-5, 5) for _ in range(DIMENSION)], "<f4")
        text = f"{self._random.choice(WORDS)} {self._random.choice(WORDS)} {self._made}"
        return Chunk(text, vector.tobytes(), self._random.randrange(PAGES), (self.name,))

    def _new_id(self) -> str:
        self._made += 1
        return f"{self.name}-{self._made:06d}"

    def _key(self) -> dict[str, str]:
        return {"idempotency-key": self._new_id()}
