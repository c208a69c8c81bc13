"""Every example runs as a reader would run it: by its file name, in process, from an empty folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

RUN_WITHIN_SECONDS = 150


def run(repository: Path, data: Path, name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("QUIRE_URL", "CO_", "COHERE_"))}
    return subprocess.run(
        [sys.executable, str(repository / "examples" / name), *arguments],
        env={**kept, "QUIRE_DATA": str(data), **environment},
        capture_output=True,
        text=True,
        timeout=RUN_WITHIN_SECONDS,
        check=False,
    )


def test_the_quickstart_finds_the_sunset_and_the_known_neighbours(repository: Path, tmp_path: Path) -> None:
    first = run(repository, tmp_path, "01_quickstart.py")
    again = run(repository, tmp_path, "01_quickstart.py")

    assert first.returncode == 0, first.stderr
    assert "3,000 chunks" in first.stdout
    assert "1. 0.9" in first.stdout
    assert first.stdout.index("sunset") < first.stdout.index("meadow")
    queries = json.loads((repository / "samples" / "queries.json").read_text(encoding="utf-8"))["queries"]
    known = next(query for query in queries if query["id"] == 1145)["top10"][:3]
    assert [chunk in first.stdout for chunk in known] == [True] * 3
    assert again.returncode == 0, again.stderr
    assert "3,000 chunks" not in again.stdout


def test_the_filters_all_match_something(repository: Path, tmp_path: Path) -> None:
    done = run(repository, tmp_path, "02_filters.py")

    assert done.returncode == 0, done.stderr
    assert "everything: 3,000 chunks match" in done.stdout
    assert "only the Rust book: 836 chunks match" in done.stdout
    assert done.stdout.count("  2. ") == 6


def test_the_bulk_load_says_how_fast_and_how_well(repository: Path, tmp_path: Path) -> None:
    done = run(repository, tmp_path, "03_bulk_load.py", "2000")

    assert done.returncode == 0, done.stderr
    assert "2,000 chunks in " in done.stdout
    assert "searches find " in done.stdout


def test_the_cohere_example_without_a_key_says_what_to_set(repository: Path, tmp_path: Path) -> None:
    done = run(repository, tmp_path, "04_cohere.py")

    assert done.returncode == 1
    assert "set CO_API_KEY" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def fake_cohere() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeCohere)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_cohere_example_embeds_and_finds(repository: Path, tmp_path: Path, fake_cohere: str) -> None:
    done = run(repository, tmp_path, "04_cohere.py", CO_API_KEY="k", CO_API_URL=fake_cohere)

    assert done.returncode == 0, done.stderr
    twilight, dough = done.stdout.split("\n\n")[:2]
    assert "cats" in twilight
    assert "bread" in dough


class FakeCohere(BaseHTTPRequestHandler):
    """Embeds by topic: texts about the same thing get the same direction."""

    TOPICS = (("cat", "animal"), ("dough", "bread"), ("orbit",))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        vectors = [self._vector(text, body["output_dimension"]) for text in body["texts"]]
        content = json.dumps({"id": "1", "embeddings": {"float": vectors}}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _vector(self, text: str, dimension: int) -> list[float]:
        about = [any(word in text.lower() for word in words) for words in self.TOPICS]
        return [*map(float, about), 0.1, *[0.0] * (dimension - 4)]

    def log_message(self, *_arguments: object) -> None:
        pass
