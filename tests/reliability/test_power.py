from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from reliability import power

ROOT = Path(__file__).resolve().parents[2]


def test_power_losses_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    record = power.run(images=150, seed=3, folder=tmp_path)

    assert list(record.violations) == []
    assert record.counts["power losses"] == 150


@pytest.mark.parametrize("bug", power.PLANTABLE)
def test_the_rig_sees_a_planted_bug(bug: str) -> None:
    """In a process of its own, which is thrown away with its bug."""
    command = [sys.executable, "-m", "reliability.power", "--images", "60", "--plant", bug]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)

    assert done.returncode == 1, done.stderr
    assert "VIOLATION" in done.stdout
