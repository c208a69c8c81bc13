"""Starts a server, fills it with the sample library, searches it once, and leaves it running for you.

`make demo` runs this. Settings, from the environment: QUIRE_DATA (default ./quire-data), QUIRE_HOST (127.0.0.1),
QUIRE_PORT (7333); with DEMO_ONCE=1 the server is stopped after the first search.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from quiredb_client import Client, F, LibraryMetadata, NotFound, SearchResult
from rich.console import Console
from rich.markup import escape
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "samples"
LIBRARY = "docs"
READY_WITHIN_SECONDS = 300
STOP_WITHIN_SECONDS = 20
console = Console(highlight=False, soft_wrap=True)


class Server:
    """A server process of ours: what it says is shown while it starts, and again once the demo has been shown."""

    def __init__(self, host: str, port: int, data: Path) -> None:
        self._loud = threading.Event()
        self._loud.set()
        command = [str(Path(sys.executable).parent / "quire"), "serve"]
        command += ["--host", host, "--port", str(port), "--data", str(data)]
        command += ["--log-level", "warning"]  # without a line for each of our own questions
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        self._reader = threading.Thread(target=self._show, daemon=True)
        self._reader.start()

    def _show(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if self._loud.is_set():
                console.print(Text("  " + line.rstrip(), style="dim"))

    def wait_until_ready(self, client: Client) -> None:
        """Ask /readyz until it says yes; compiling the kernels for the first time takes up to a minute."""
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        while not client.ready():
            if self.process.poll() is not None:
                self._reader.join(STOP_WITHIN_SECONDS)
                raise SystemExit("The server stopped while it was starting; what it said is above.")
            if time.monotonic() > deadline:
                raise SystemExit(f"The server was not ready within {READY_WITHIN_SECONDS} seconds.")
            time.sleep(0.1)

    def quiet(self) -> None:
        """Keep the server's log out of the demo."""
        self._loud.clear()

    def stay(self) -> None:
        """Show the server's log until it ends or the user presses Ctrl-C."""
        self._loud.set()
        self.process.wait()

    def stop(self) -> None:
        """Ask the server to end as an operator would, and insist if it does not."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def port_is_free(host: str, port: int) -> bool:
    """Whether nobody listens there yet; a second server would only fail later and less clearly."""
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) != 0


def fill(client: Client) -> None:
    """Import the sample library, unless it is there from an earlier run."""
    try:
        library = client.libraries.get(LIBRARY)
    except NotFound:
        metadata: LibraryMetadata = {"title": "Sample: programming documentation", "tags": ["sample"]}
        client.libraries.create(LIBRARY, dimension=384, metric="cosine", index={"kind": "auto"}, metadata=metadata)
    else:
        if library.chunk_count:
            console.print(f"The library [bold]{LIBRARY}[/] is there: {library.chunk_count:,} chunks.")
            return
    report = client.library(LIBRARY).import_(SAMPLES / "docs.ndjson.gz", on_error="raise")
    console.print(
        f"Imported the library [bold]{LIBRARY}[/]: {report.documents:,} documents, {report.chunks:,} chunks "
        f"in {report.seconds:.1f} s."
    )


def show(question: str, result: SearchResult) -> None:
    """Print a question and what was found."""
    console.print(f"\n[bold]?[/] {escape(question)}")
    for rank, hit in enumerate(result, start=1):
        title = str(hit.document.metadata.get("title", "")) if hit.document else ""
        console.print(f"  {rank}. [green]{hit.score:.3f}[/]  [cyan]{hit.id}[/]  {escape(title)}")
        console.print(Text("            " + (hit.text or "")[:140].replace("\n", " "), style="dim"))


def search(client: Client) -> None:
    """Search with two of the ready queries, once for everything and once with a filter."""
    queries = {query["id"]: query for query in json.loads((SAMPLES / "queries.json").read_text("utf-8"))["queries"]}
    library = client.library(LIBRARY)
    first, second = queries[1145], queries[1346]
    show(first["text"], library.search(vector=first["vector"], k=3, include=["text", "document"]))
    only_rust = F.tags.contains("rust")
    show(
        second["text"] + " (only chunks tagged rust)",
        library.search(vector=second["vector"], k=3, filter=only_rust, include=["text", "document"]),
    )


def say_what_next(url: str) -> None:
    """Three ways in."""
    folder, samples = os.path.relpath(Path(sys.executable).parent), os.path.relpath(SAMPLES)
    post = f"-H 'content-type: application/json' --data @{samples}/search.json"
    console.print("\n[bold]Try next[/], in another terminal; the server keeps running here:")
    for line in (
        f"curl -s {url}/v1/libraries/{LIBRARY}",
        f"curl -s {url}/v1/libraries/{LIBRARY}/search {post}",
        f"{folder}/python -c \"import quiredb_client as q; print(q.Client('{url}').library('{LIBRARY}').stats())\"",
        f"{folder}/quire --help",
    ):
        console.print(Text("  " + line))


def main() -> None:
    """The whole demo."""
    host, port = os.environ.get("QUIRE_HOST", "127.0.0.1"), int(os.environ.get("QUIRE_PORT", "7333"))
    data = Path(os.environ.get("QUIRE_DATA", "quire-data"))
    url = f"http://{host}:{port}"
    if not port_is_free(host, port):
        raise SystemExit(f"Something listens on {host}:{port} already. Choose another port: QUIRE_PORT=7400 make demo")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    console.print(f"Starting a server on [bold]{url}[/], data in [bold]{data}[/]")
    server = Server(host, port, data)
    try:
        with Client(url) as client:
            server.wait_until_ready(client)
            server.quiet()
            fill(client)
            search(client)
        if os.environ.get("DEMO_ONCE") != "1":
            say_what_next(url)
            console.print("\nCtrl-C stops the server; the data stays in the folder.\n")
            server.stay()
    except KeyboardInterrupt:
        console.print("\nStopping the server.")
    finally:
        server.stop()


if __name__ == "__main__":
    main()
