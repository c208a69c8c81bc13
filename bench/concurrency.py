"""Writers and readers on one library at once, over HTTP: what every reader must see."""

import threading
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from quiredb_client import Client, F, QuireError

DIMENSION = 32
_BATCH = 16


@dataclass(slots=True)
class Findings:
    """What writers and readers saw; lists are appended to by many threads."""

    commits: list[int] = field(default_factory=list)
    reads: list[int] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    lost_writes: list[str] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def run(url: str, seconds: float, writers: int = 8, readers: int = 8) -> dict[str, Any]:
    """Work on one library for `seconds`; of the counts, all but commits and reads must be 0."""
    findings, deadline = Findings(), time.monotonic() + seconds
    with Client(url) as client:
        client.libraries.create(id="shared", dimension=DIMENSION, metric="l2")
    threads = [threading.Thread(target=_write, args=(url, deadline, number, findings)) for number in range(writers)]
    threads += [threading.Thread(target=_read, args=(url, deadline, number, findings)) for number in range(readers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Client(url) as client:
        client.libraries.delete("shared")
    return {
        "commits": len(findings.commits),
        "reads": len(findings.reads),
        "errors": len(findings.errors),
        "lost own writes": len(findings.lost_writes),
        "torn batches": len(findings.torn),
        "results unlike an exact search": len(findings.wrong),
        "examples": (findings.errors + findings.lost_writes + findings.torn + findings.wrong)[:3],
    }


def _write(url: str, deadline: float, number: int, findings: Findings) -> None:
    """Replace one batch again and again; each commit gives all its chunks the same new attribute and a new place."""
    random = np.random.default_rng(number)
    with Client(url) as client:
        library = client.library("shared")
        library.documents.put(f"w{number}")
        for turn in range(1_000_000):
            if time.monotonic() > deadline:
                return
            try:
                vectors = _commit(library, number, turn, random)
                _check_own(library, number, turn, vectors, findings)
                findings.commits.append(turn)
            except QuireError as error:
                findings.errors.append(repr(error))


def _commit(library: Any, number: int, turn: int, random: np.random.Generator) -> NDArray[np.float32]:
    vectors = random.standard_normal((_BATCH, DIMENSION)).astype(np.float32)
    library.chunks.batch(
        [
            {
                "put": {
                    "id": f"w{number}-{slot}",
                    "document_id": f"w{number}",
                    "text": f"turn {turn}",
                    "embedding": vector,
                    "metadata": {"attributes": {"writer": number, "turn": turn}},
                }
            }
            for slot, vector in enumerate(vectors)
        ]
    )
    return vectors


def _check_own(library: Any, number: int, turn: int, vectors: NDArray[np.float32], findings: Findings) -> None:
    mine = library.count(filter=(F("attributes.writer") == number) & (F("attributes.turn") == turn))
    if mine != _BATCH:
        findings.lost_writes.append(f"writer {number} turn {turn}: {mine} of {_BATCH}")
    hit = library.search(vector=vectors[0], k=1)
    if hit.ids != [f"w{number}-0"]:
        findings.lost_writes.append(f"writer {number} turn {turn}: found {hit.ids}")


def _read(url: str, deadline: float, number: int, findings: Findings) -> None:
    """Every answer must hold whole batches, and the default search must equal the exact one of its own position."""
    random = np.random.default_rng(1_000 + number)
    with Client(url) as client:
        library = client.library("shared")
        while time.monotonic() < deadline:
            query = random.standard_normal(DIMENSION).astype(np.float32)
            try:
                everything = library.search(vector=query, k=1_000, include=["metadata", "embedding"])
                _check_whole(everything, findings)
                _check_ranking(everything, query, findings)
                pair = library.search_batch([{"vector": query, "k": 10}, {"vector": query, "k": 10, "exact": True}])
                if pair[0].ids != pair[1].ids or pair[0].position != pair[1].position:
                    findings.wrong.append(f"position {pair[0].position}: {pair[0].ids} and {pair[1].ids}")
                findings.reads.append(number)
            except QuireError as error:
                findings.errors.append(repr(error))


def _check_whole(answer: Any, findings: Findings) -> None:
    turns: dict[int, set[int]] = {}
    sizes: dict[int, int] = {}
    for hit in answer:
        writer = hit.metadata["attributes"]["writer"]
        turns.setdefault(writer, set()).add(hit.metadata["attributes"]["turn"])
        sizes[writer] = sizes.get(writer, 0) + 1
    findings.torn.extend(f"writer {writer}: turns {sorted(seen)}" for writer, seen in turns.items() if len(seen) > 1)
    findings.torn.extend(f"writer {writer}: {size} chunks" for writer, size in sizes.items() if size != _BATCH)


def _check_ranking(answer: Any, query: NDArray[np.float32], findings: Findings) -> None:
    vectors = (
        np.stack([hit.embedding for hit in answer]).astype(np.float64) if len(answer) else np.zeros((0, DIMENSION))
    )
    distances = np.square(vectors - query.astype(np.float64)).sum(axis=1)
    if np.any(np.diff(distances) < -1e-9):
        findings.wrong.append(f"position {answer.position}: not in order of distance")
