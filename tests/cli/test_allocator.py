"""Memory goes back to the system when large arrays are freed."""

import subprocess
import sys

import pytest

SCRIPT = """
import numpy as np
from quiredb.cli.allocator import return_memory_early
if {early}:
    assert return_memory_early()

def resident():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))

np.ones(30 << 20, np.uint8)                           # raises glibc's own threshold to its size
before = resident()
kept = []
for _ in range(4):
    large = np.ones(24 << 20, np.uint8)
    kept.append([bytes(1000) for _ in range(2000)])   # lies behind the large array in the heap
    del large
print((resident() - before) // 1024)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_freed_arrays_are_given_back() -> None:
    def grown(early: bool) -> int:
        script = SCRIPT.format(early=early)
        return int(subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True).stdout)

    assert grown(early=True) < 20
    assert grown(early=False) > grown(early=True)
