"""Each fault with what Quire promises, the rigs that try to break it, and which of their counts show how hard."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Evidence:
    """A rig, and which counts of its record are told."""

    rig: str
    counts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Promise:
    """A row of RELIABILITY.md."""

    fault: str
    title: str
    promise: str
    evidence: tuple[Evidence, ...]


PROMISES: tuple[Promise, ...] = (
    Promise(
        "F1",
        "kill -9 at any instant",
        "What was acknowledged is there, byte for byte; what was not is there wholly or not at all; every count, "
        "filter and search equals a recomputation.",
        (Evidence("kills", ("kills", "acknowledged writes", "answers compared")),),
    ),
    Promise(
        "F2",
        "power loss: writes lost, reordered, torn",
        "The same. What the disk was not told to keep may be gone, in any order, cut at any sector.",
        (Evidence("power", ("power losses", "acknowledged operations", "steps of the disk")),),
    ),
    Promise(
        "F3",
        "disk full",
        "507 `storage-full`, nothing half done; reads go on; writes work again once there is space, without a restart.",
        (Evidence("calls", ("failed calls", "full disks")),),
    ),
    Promise(
        "F4",
        "read error",
        "Only what is on the bad spot fails, with 503 that names it; the rest is served.",
        (Evidence("calls", ("errors", "short writes")),),
    ),
    Promise(
        "F5",
        "failed fsync",
        "Never tried again on the same handle: the library is read-only until it was opened anew and recovered.",
        (Evidence("calls", ("failed calls", "kills")),),
    ),
    Promise(
        "F6",
        "rotten bytes",
        "Found when read, by `quire check` and in backups; never read as data. Index files are rebuilt.",
        (Evidence("rot", ("flips", "cuts")),),
    ),
    Promise(
        "F7",
        "files missing, swapped, old, foreign",
        "Named; that library is shut while the others serve; foreign files are left alone.",
        (Evidence("folder_edits", ("edits",)),),
    ),
    Promise(
        "F8",
        "clock jumps",
        "Order comes from positions, deadlines from the monotonic clock; ids stay unique.",
        (Evidence("clocks", ("jumps", "operations", "identifiers", "repeats")),),
    ),
    Promise(
        "F9",
        "slow disk",
        "Reads are not held up; writes wait in a bounded queue, then 503 `overloaded`.",
        (Evidence("strain", ("slow disks", "quick and slow disks compared")),),
    ),
    Promise(
        "F10",
        "memory runs out",
        "Work is refused with 503 `overloaded` before the kernel ends the process.",
        (
            Evidence("memory", ("hostile requests", "mixed requests")),
            Evidence("allocations", ("failed allocations",)),
        ),
    ),
    Promise(
        "F11",
        "background work dies or loops",
        "Restarted within a second; if it keeps failing, the server says that it is not ready.",
        (Evidence("strain", ("failing workers",)),),
    ),
    Promise(
        "F12",
        "client breaks off",
        "A request that did not arrive whole changes nothing; one that did, happens whole.",
        (Evidence("clients", ("uploads cut",)),),
    ),
    Promise(
        "F13",
        "requests repeated",
        "With an `Idempotency-Key`: exactly once, the first answer again, also after a restart.",
        (Evidence("clients", ("requests through the proxy", "answers lost", "requests doubled")),),
    ),
    Promise(
        "F14",
        "many readers and writers",
        "Clients read what they wrote, never go back, see no torn batch; histories are linearizable.",
        (
            Evidence("clients", ("writes of the crowd", "reads of the crowd")),
            Evidence("histories", ("histories", "operations", "operations cut by a kill")),
        ),
    ),
    Promise(
        "F15",
        "everything at once",
        "Builds, merges, purges, deletes and restarts between any two writes lose and revive nothing.",
        (Evidence("model", ("steps",)), Evidence("kills", ("index builds begun", "libraries made or removed"))),
    ),
    Promise(
        "F21",
        "old and newer data folders",
        "Every format opens, however often the upgrade is killed; a newer one is refused unchanged.",
        (Evidence("upgrade", ("folders opened", "upgrades killed", "newer folders refused")),),
    ),
    Promise(
        "F22",
        "two processes on one folder",
        "The second ends with a clear message before it touches anything.",
        (Evidence("kills", ("second servers refused",)),),
    ),
    Promise(
        "F24",
        "SIGTERM under load",
        "What was accepted is answered; exit 0 within ten seconds.",
        (Evidence("drain", ("drains", "acknowledged writes")),),
    ),
    Promise(
        "F25",
        "no descriptors, signals, read-only disk",
        "A clean error, and recovery without a restart.",
        (Evidence("strain", ("times without descriptors", "read-only disks", "storms of signals")),),
    ),
    Promise(
        "Backups",
        "taken under load, edited, forged, cut",
        "A backup restores to the digest of its position; an edited one is refused; nothing is written elsewhere.",
        (Evidence("backups", ("bytes edited", "hostile backups", "restores killed", "backups killed")),),
    ),
    Promise(
        "Inputs",
        "sixty bad inputs",
        "The documented answer within a second, and nothing changes.",
        (Evidence("inputs", ("rows", "inputs")),),
    ),
    Promise(
        "Requests",
        "made from the OpenAPI document",
        "No answer that the document does not describe, no 5xx.",
        (Evidence("api", ("cases", "operations")),),
    ),
    Promise(
        "Bytes",
        "any, on every decoder",
        "Read or refused: no crash, no hang, no other reading than an independent decoder's.",
        (Evidence("fuzz", ("cases", "decoders")),),
    ),
)
