"""The package as such: quick to import, generated files current, every public name there."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import quiredb_client

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "unasync.py"
HEAVY = ("httpx", "numpy", "orjson", "dataclasses")
MEASURE = """
import sys, time
started = time.perf_counter()
import quiredb_client
print(time.perf_counter() - started, *(name for name in {heavy} if name in sys.modules))
"""


def load_unasync():
    spec = importlib.util.spec_from_file_location("unasync", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_importing_takes_under_100_milliseconds_and_loads_nothing_heavy() -> None:
    runs = [
        subprocess.run(
            [sys.executable, "-c", MEASURE.format(heavy=HEAVY)], capture_output=True, text=True, check=True, timeout=60
        ).stdout.split()
        for _ in range(5)
    ]
    assert min(float(seconds) for seconds, *_ in runs) < 0.1
    assert all(loaded == [] for _, *loaded in runs)


def test_every_public_name_is_there() -> None:
    for name in dir(quiredb_client):
        assert getattr(quiredb_client, name) is not None
    with pytest.raises(AttributeError, match="Nothing"):
        _ = quiredb_client.Nothing


def test_the_distribution_carries_the_packages_version() -> None:
    assert version("quiredb-client") == quiredb_client.__version__


def test_the_synchronous_client_is_generated_from_the_asynchronous_one() -> None:
    assert load_unasync().stale() == []


def test_generation_drops_async_and_await_and_nothing_in_strings() -> None:
    source = (
        "async def get(self) -> AsyncPager:\n"
        "    async with self.lock:\n"
        '        return await self.call("await async AsyncPager", [x async for x in y])\n'
    )
    generated = load_unasync().generate(source)
    assert generated.splitlines()[-3:] == [
        "def get(self) -> Pager:",
        "    with self.lock:",
        '        return self.call("await async AsyncPager", [x for x in y])',
    ]
