"""Every knob of a server: its default, its unit, its environment variable."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MEBIBYTE = 1024 * 1024
_UNITS = {"K": 1024, "M": MEBIBYTE, "G": 1024 * MEBIBYTE}


@dataclass(frozen=True, slots=True)
class Settings:
    """What a server is told when it starts. Environment: the names in `from_environment`."""

    data: Path = Path("quire-data")
    host: str = "127.0.0.1"
    port: int = 7333
    embedders: Path | None = None
    allow_open: bool = False
    audit_share: float = 0.02
    """Of all searches, to be repeated exactly in idle time so that recall is known; 0: none."""
    body_bytes_max: int = 32 * MEBIBYTE
    import_line_bytes_max: int = 64 * MEBIBYTE
    memory_limit: int | None = None
    """Bytes that the process may take before it refuses work; 0: no limit; None: what the machine suggests."""
    drain_delay: float = 0.0
    """Seconds between the signal to end and the end of taking requests."""
    allowed_hosts: tuple[str, ...] = ()
    """Names that the server answers to besides its own."""
    proxies: str | None = None
    """Addresses whose X-Forwarded-For and -Proto are believed, separated by commas."""
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    connections_max: int = 1024
    requests_at_once_max: int = 256
    requests_per_second_max: int = 0
    """Of one key; 0: any number."""
    audit_log: Path | None = None
    """None: `audit.jsonl` in the data folder."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """QUIRE_DATA, _HOST, _PORT (or PORT), _EMBEDDERS (a file), _ALLOW_OPEN=1, _AUDIT_SHARE, _ALLOWED_HOSTS and
        _PROXIES (separated by commas), _TLS_CERTIFICATE, _TLS_KEY and _AUDIT_LOG (files), _CONNECTIONS_MAX,
        _REQUESTS_AT_ONCE_MAX, _REQUESTS_PER_SECOND_MAX, _MEMORY_LIMIT, _DRAIN_DELAY (seconds).

        Raises ValueError for what is no number, or a share that is not between 0 and 1.
        """
        defaults = cls()
        audit_share = float(environment.get("QUIRE_AUDIT_SHARE", defaults.audit_share))
        if not 0 <= audit_share <= 1:
            raise ValueError("QUIRE_AUDIT_SHARE is between 0 and 1")
        memory_limit = environment.get("QUIRE_MEMORY_LIMIT")
        return cls(
            data=Path(environment.get("QUIRE_DATA", str(defaults.data))),
            host=environment.get("QUIRE_HOST", defaults.host),
            port=int(environment.get("QUIRE_PORT", environment.get("PORT", str(defaults.port)))),
            embedders=_path(environment, "QUIRE_EMBEDDERS"),
            allow_open=environment.get("QUIRE_ALLOW_OPEN") == "1",
            audit_share=audit_share,
            memory_limit=None if memory_limit is None else byte_count(memory_limit),
            drain_delay=float(environment.get("QUIRE_DRAIN_DELAY", defaults.drain_delay)),
            allowed_hosts=tuple(filter(None, environment.get("QUIRE_ALLOWED_HOSTS", "").split(","))),
            proxies=environment.get("QUIRE_PROXIES") or None,
            tls_certificate=_path(environment, "QUIRE_TLS_CERTIFICATE"),
            tls_key=_path(environment, "QUIRE_TLS_KEY"),
            connections_max=int(environment.get("QUIRE_CONNECTIONS_MAX", defaults.connections_max)),
            requests_at_once_max=int(environment.get("QUIRE_REQUESTS_AT_ONCE_MAX", defaults.requests_at_once_max)),
            requests_per_second_max=int(
                environment.get("QUIRE_REQUESTS_PER_SECOND_MAX", defaults.requests_per_second_max)
            ),
            audit_log=_path(environment, "QUIRE_AUDIT_LOG"),
        )

    @property
    def audit_path(self) -> Path:
        """Where the audit log is."""
        return self.audit_log or self.data / "audit.jsonl"

    @property
    def hosts(self) -> tuple[str, ...] | None:
        """The names that the server answers to; None: any.

        A server that only this machine can reach may be open to everybody on it, but not to pages in a browser on it
        that have made their own name point here.
        """
        if is_loopback(self.host):
            return ("localhost", "127.0.0.1", "[::1]", self.host, *self.allowed_hosts)
        return self.allowed_hosts or None


def _path(environment: Mapping[str, str], name: str) -> Path | None:
    return Path(environment[name]) if environment.get(name) else None


def byte_count(text: str) -> int:
    """Bytes from a number with K, M or G (powers of 1,024) or nothing after it. Raises ValueError."""
    number, unit = (text[:-1], text[-1].upper()) if text[-1:].upper() in _UNITS else (text, "")
    count = float(number) * _UNITS.get(unit, 1)
    if not 0 <= count < 2**62:
        raise ValueError(f"{text!r} is not a number of bytes")
    return int(count)


def is_loopback(host: str) -> bool:
    """Whether a server on `host` can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
