"""Which connections a server holds, as the kernel tells it: who does not read cannot see that they were cut off."""

from __future__ import annotations

from pathlib import Path

_TABLE = Path("/proc/net/tcp")
_INODE = 9


def held_connections(port: int) -> set[int]:
    """The ports of those clients on this machine whose connections the server at `port` has taken and not closed."""
    held = set()
    mine = f"{port:04X}"
    for line in _TABLE.read_text().splitlines()[1:]:
        fields = line.split()
        # A connection that its process has closed, or not accepted yet, belongs to no file.
        if fields[1].endswith(f":{mine}") and fields[_INODE] != "0":
            held.add(int(fields[2].rpartition(":")[2], 16))
    return held
