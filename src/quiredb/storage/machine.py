"""What the machine has and what this process takes of it, as far as the system tells (Linux does)."""

import os
import resource
import shutil
from dataclasses import dataclass
from pathlib import Path

from quiredb.storage.files import file_errors

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_STATM = Path("/proc/self/statm")
_GROUPS = Path("/proc/self/cgroup")
_ROOT = Path("/sys/fs/cgroup")
_SHARE_OF_GROUP = 0.9
_SHARE_OF_MACHINE = 0.8
_NO_LIMIT_BYTES = 2**60


def private_bytes() -> int:
    """Memory of this process without pages of mapped files, which the system can take back. 0: it does not tell."""
    try:
        _, resident, shared, *_ = _STATM.read_bytes().split()
    except OSError:
        return 0
    return (int(resident) - int(shared)) * _PAGE_BYTES


def default_memory_limit() -> int | None:
    """Nine tenths of what the control group allows, or four fifths of the machine's memory; None: nobody tells."""
    group = group_memory_limit(_read(_GROUPS), _ROOT)
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if not _STATM.exists():
        return None
    if group is not None and group < machine:
        return int(_SHARE_OF_GROUP * group)
    return int(_SHARE_OF_MACHINE * machine)


def group_memory_limit(groups: str, root: Path) -> int | None:
    """The smallest memory limit of the control groups (version 1 or 2) named in `groups`, or None."""
    limits = []
    for line in groups.splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            limits += _limits(root, path, "memory.max")
        elif "memory" in controllers.split(","):
            limits += _limits(root / "memory", path, "memory.limit_in_bytes")
    return min((limit for limit in limits if limit < _NO_LIMIT_BYTES), default=None)


def _limits(root: Path, path: str, name: str) -> list[int]:
    """The limits of a group and of all that it lies in."""
    folders = [root.joinpath(*Path(path).parts[1:depth]) for depth in range(1, len(Path(path).parts) + 1)]
    texts = [_read(folder / name).strip() for folder in folders]
    return [int(text) for text in texts if text.isdecimal()]


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """Bytes of the file system that a folder is on."""

    total: int
    free: int


def disk_space(folder: Path) -> DiskSpace:
    """How much space there is, without touching a file. `StorageFailed` when the system does not tell."""
    with file_errors(folder):
        usage = shutil.disk_usage(folder)
    return DiskSpace(usage.total, usage.free)


def descriptor_limit() -> int:
    """How many files and sockets this process may have open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
