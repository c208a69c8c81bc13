"""`make demo`, once: a server, a sample library, a first search."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path


def test_the_demo_finds_something_and_ends(repository: Path, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("QUIRE_")}
    environment |= {"DEMO_ONCE": "1", "QUIRE_PORT": str(port), "QUIRE_DATA": str(tmp_path / "data"), "COLUMNS": "120"}

    run = subprocess.run(
        [sys.executable, repository / "scripts" / "demo.py"],
        check=False,
        env=environment,
        capture_output=True,
        text=True,
        timeout=150,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    questions = [line for line in run.stdout.splitlines() if line.startswith("? ")]
    hits = [line for line in run.stdout.splitlines() if line.lstrip().startswith(("1. ", "2. ", "3. "))]
    assert (len(questions), len(hits)) == (2, 6), run.stdout
    assert "/readyz" not in run.stdout, "the demo's own questions are none of its reader's business"
    assert "Traceback" not in run.stdout + run.stderr
