"""What the HTTP edge can be told."""

from dataclasses import dataclass

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """Knobs of the edge. `secret` signs cursors: one that changes with a restart ends open listings.

    Sizes in bytes, times in seconds. Imports are streams: only their lines are bounded.
    What has no default here is the operator's to say: `quiredb.settings`.
    """

    secret: bytes
    requests_at_once_max: int
    requests_per_second_max: int
    """Of one key; 0: any number."""
    body_bytes_max: int = 32 * MEBIBYTE
    import_line_bytes_max: int = 64 * MEBIBYTE
    wait_seconds_default: float = 1.0
    wait_seconds_max: float = 30.0
    imports_at_once_max: int = 16
    searches_at_once_max: int = 40
    metric_libraries_max: int = 100
    backup_wait_seconds_max: float = 60.0
