"""What a run of a rig found, and where it is kept."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "reliability" / "results"


@dataclass(frozen=True, slots=True)
class Record:
    """One run: `counts` by what was counted, `violations` with how to repeat each, `planted` bugs with who saw it."""

    rig: str
    command: str
    seed: int
    seconds: float
    counts: Mapping[str, int]
    violations: Sequence[str] = ()
    planted: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return not self.violations

    def save(self, folder: Path = RESULTS) -> Path:
        """Write the record as JSON with the machine, the versions and the commit; returns where."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.rig}.json"
        path.write_text(json.dumps({**asdict(self), "counts": dict(self.counts), **_circumstances()}, indent=2) + "\n")
        return path

    @classmethod
    def load(cls, path: Path) -> Record:
        """A saved record, without its circumstances."""
        fields = json.loads(path.read_text())
        return cls(**{name: fields[name] for name in cls.__dataclass_fields__})

    def __str__(self) -> str:
        counted = ", ".join(f"{count:,} {what}" for what, count in self.counts.items())
        lines = [f"{self.rig}: {counted}; seed {self.seed}; {self.seconds:.0f} s; {len(self.violations)} violations"]
        lines += [f"  planted {bug}: {caught}" for bug, caught in self.planted.items()]
        lines += [f"  VIOLATION {violation}" for violation in self.violations[:20]]
        return "\n".join(lines)


def _circumstances() -> dict[str, object]:
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return {
        "commit": described.stdout.strip(),
        "at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "versions": {"quiredb": version("quiredb"), "python": platform.python_version()},
        "machine": {"system": platform.platform(), "processors": os.cpu_count()},
    }
