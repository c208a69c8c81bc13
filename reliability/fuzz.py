"""Atheris on every decoder: `python -m reliability.fuzz [--count N]`.

Coverage guides the mutations. An exception that is no refusal, a second without an answer or a gibibyte of memory
ends the run of that decoder; the bytes that did it are printed, and kept where the record says.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from reliability.command_line import Rig, run_rig
from reliability.decoders import DECODERS
from reliability.records import ROOT, Record

SECONDS_A_CASE_MAX = 1
BYTES_A_CASE_MAX = 4096
MEBIBYTES_MAX = 1024
PLANTED = {"decoding.read_true_as_one": "json", "decoding.believe_segment_headers": "segment-header"}
"""Bugs with a decoder that shows each."""
CASES_TO_SEE = 50_000
_TELLING = re.compile(r"Error|Exception|Disagreement|ERROR|Damaged")
_DONE = re.compile(r"^Done (\d+) (?:runs )?in|^#(\d+)\s", re.MULTILINE)


def fuzz(name: str, runs: int, seed: int, folder: Path, bugs: Sequence[str] = ()) -> tuple[int, str | None]:
    """How many cases one decoder got, and what broke it, if anything did. It runs in a process of its own."""
    command = [
        sys.executable, "-m", "reliability.fuzz_one", name, *bugs, "--", f"-runs={runs}", f"-seed={seed + 1}",
        f"-timeout={SECONDS_A_CASE_MAX}", f"-rss_limit_mb={MEBIBYTES_MAX}", f"-max_len={BYTES_A_CASE_MAX}",
        f"-artifact_prefix={folder}/", str(folder),
    ]  # fmt: skip
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
    cases = max((int(done or at) for done, at in _DONE.findall(ended.stderr)), default=0)
    if ended.returncode == 0:
        return cases, None
    said = [line.strip() for line in ended.stderr.splitlines() if _TELLING.search(line)]
    kept = [path for path in sorted(folder.iterdir()) if path.name.startswith(("crash", "timeout", "oom"))]
    shown = kept[0].read_bytes()[:200] if kept else b""
    return cases, f"{name}: {' | '.join(said)[:400]}; bytes {shown!r}"


def run(count: int, seed: int) -> Record:
    """`count` cases for each decoder."""
    started = time.monotonic()
    counts: dict[str, int] = {}
    violations = []
    for name in DECODERS:
        with tempfile.TemporaryDirectory() as folder:
            cases, violation = fuzz(name, count, seed, Path(folder))
        counts[f"cases of {name}"] = cases
        violations += [violation] if violation else []
    counts = {"cases": sum(counts.values()), "decoders": len(counts), **counts}
    command = f'make reliability-fuzz ARGS="--count {count} --seed {seed}"'
    return Record("fuzz", command, seed, time.monotonic() - started, counts, violations)


def catch(bug: str, seed: int) -> str | None:
    """What the rig says of a planted bug, or None."""
    with tempfile.TemporaryDirectory() as folder:
        return fuzz(PLANTED[bug], CASES_TO_SEE, seed, Path(folder), [bug])[1]


if __name__ == "__main__":
    sys.exit(run_rig(Rig(run, count=100_000, bugs=list(PLANTED), catch=catch), __doc__))
