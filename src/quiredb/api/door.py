"""What stands between the network and the application; in process, nothing does."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from quiredb.api.middleware.audit import Record
from quiredb.api.middleware.authentication import Identify, everybody


@dataclass(frozen=True, slots=True)
class Door:
    """`identify` says who shows a key, `hosts` which names are answered (None: any), `record` keeps an audit log."""

    identify: Identify = everybody
    hosts: tuple[str, ...] | None = None
    record: Record | None = None
    clock: Callable[[], float] = time.monotonic
    """What rates and failed logins are measured by, in seconds."""


OPEN_DOOR = Door()
"""Nobody is asked for a key."""
