"""Atheris on every decoder: `python -m reliability.fuzz --count 500000 [--only NAME]`.

Coverage guides the mutations. An exception that is no refusal, a second without an answer or a gibibyte of memory
ends the run of that decoder; the bytes that did it are printed, and kept where the record says.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from reliability.records import ROOT, Record

DECODERS = (
    "json", "search", "batch", "document", "library", "filter", "import", "cursor", "segment", "segment-header",
    "manifest", "backup-stream",
)  # fmt: skip
SECONDS_A_CASE_MAX = 1
BYTES_A_CASE_MAX = 4096
MEBIBYTES_MAX = 1024
_DONE = re.compile(r"^Done (\d+) (?:runs )?in|^#(\d+)\s", re.MULTILINE)


def fuzz(name: str, runs: int, seed: int, folder: Path) -> tuple[int, str | None]:
    """How many cases one decoder got, and what broke it, if anything did. It runs in a process of its own."""
    command = [
        sys.executable, "-m", "reliability.fuzz_one", name, f"-runs={runs}", f"-seed={seed + 1}",
        f"-timeout={SECONDS_A_CASE_MAX}", f"-rss_limit_mb={MEBIBYTES_MAX}", f"-max_len={BYTES_A_CASE_MAX}",
        f"-artifact_prefix={folder}/", str(folder),
    ]  # fmt: skip
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
    numbers = [int(done or at) for done, at in _DONE.findall(ended.stderr)]
    if ended.returncode == 0:
        return max(numbers, default=0), None
    said = [line for line in ended.stderr.splitlines() if line.strip()]
    kept = [path for path in sorted(folder.iterdir()) if path.name.startswith(("crash", "timeout", "oom"))]
    shown = kept[0].read_bytes()[:200] if kept else b""
    return max(numbers, default=0), f"{name}: {' | '.join(said[-6:])[:600]}; bytes {shown!r}"


def prove(names: Sequence[str], runs: int, seed: int) -> Record:
    """`runs` cases for each of the decoders."""
    started = time.monotonic()
    counts: dict[str, int] = {}
    violations = []
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            cases, violation = fuzz(name, runs, seed, Path(folder))
        counts[f"cases of {name}"] = cases
        violations += [violation] if violation else []
    counts = {"cases": sum(counts.values()), **counts}
    command = f'make reliability-fuzz ARGS="--count {runs}"'
    return Record("fuzz", command, seed, time.monotonic() - started, counts, violations)


def run(arguments: Sequence[str] | None = None) -> int:
    """The command; 1 when there are violations."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500_000, help="cases for each decoder")
    parser.add_argument("--only", choices=DECODERS, action="append")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args(arguments)
    record = prove(options.only or DECODERS, options.count, options.seed)
    print(record)
    if options.save:
        record.save()
    return 0 if record.is_clean else 1


if __name__ == "__main__":
    sys.exit(run())
