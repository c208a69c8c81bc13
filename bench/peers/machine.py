"""The machine in words and numbers, for a reader of the results."""

import datetime
import os
import platform
import re
from pathlib import Path
from typing import Any

_TELLING = re.compile(r"^(avx|amx|fma|sse4|asimd|sve|neon|f16c|bmi2|popcnt)")


def describe() -> dict[str, Any]:
    """Processor, its features and caches, memory, kernel, Python, date."""
    processor, features = _processor()
    return {
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "processor": processor,
        "features": features,
        "cores": os.cpu_count(),
        "caches": _caches(),
        "memory GiB": round(_memory_bytes() / 2**30, 1),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def available_bytes() -> int:
    """Memory that could be had without swapping."""
    meminfo = Path("/proc/meminfo")
    if not meminfo.is_file():
        return _memory_bytes()
    return int(dict(line.split(":", 1) for line in meminfo.read_text().splitlines())["MemAvailable"].split()[0]) * 1024


def last_core() -> int:
    """The highest core that this process may use: the first ones serve most interrupts."""
    if not hasattr(os, "sched_getaffinity"):
        return 0
    return max(os.sched_getaffinity(0))


def _processor() -> tuple[str, list[str]]:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.is_file():
        return platform.processor() or platform.machine(), []
    lines = (line.split(":", 1) for line in cpuinfo.read_text().splitlines() if ":" in line)
    fields: dict[str, str] = {}
    for key, value in lines:
        fields.setdefault(key.strip(), value.strip())
    words = fields.get("flags", fields.get("Features", "")).split()
    family = "/".join(fields[key] for key in ("cpu family", "model", "stepping") if key in fields)
    name = fields.get("model name", platform.machine())
    return f"{name} ({family})" if family else name, sorted(filter(_TELLING.match, words))


def _caches() -> dict[str, str]:
    caches = {}
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
        caches[f"L{level}{'' if kind == 'Unified' else f' {kind.lower()}'}"] = size
    return caches


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
