"""Every knob of a server: its default, its unit, its environment variable."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path

from quiredb.domain.errors import ValidationFailed

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

        Raises ValidationFailed for what is no number, or one that makes no sense.
        """
        defaults = cls()
        port = "QUIRE_PORT" if "QUIRE_PORT" in environment else "PORT"
        return cls(
            data=Path(environment.get("QUIRE_DATA", str(defaults.data))),
            host=environment.get("QUIRE_HOST", defaults.host),
            port=_whole(environment, port, defaults.port, 0, 65_535),
            embedders=_path(environment, "QUIRE_EMBEDDERS"),
            allow_open=environment.get("QUIRE_ALLOW_OPEN") == "1",
            audit_share=_real(environment, "QUIRE_AUDIT_SHARE", defaults.audit_share, 1),
            memory_limit=_bytes(environment, "QUIRE_MEMORY_LIMIT"),
            drain_delay=_real(environment, "QUIRE_DRAIN_DELAY", defaults.drain_delay, inf),
            allowed_hosts=tuple(filter(None, environment.get("QUIRE_ALLOWED_HOSTS", "").split(","))),
            proxies=environment.get("QUIRE_PROXIES") or None,
            tls_certificate=_path(environment, "QUIRE_TLS_CERTIFICATE"),
            tls_key=_path(environment, "QUIRE_TLS_KEY"),
            connections_max=_whole(environment, "QUIRE_CONNECTIONS_MAX", defaults.connections_max, 1),
            requests_at_once_max=_whole(environment, "QUIRE_REQUESTS_AT_ONCE_MAX", defaults.requests_at_once_max, 1),
            requests_per_second_max=_whole(
                environment, "QUIRE_REQUESTS_PER_SECOND_MAX", defaults.requests_per_second_max, 0
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


def _whole(environment: Mapping[str, str], name: str, default: int, least: int, most: int = 2**31) -> int:
    text = environment.get(name)
    if text is None:
        return default
    if not text.isdecimal() or not least <= int(text) <= most:
        raise _invalid(name, f"a whole number from {least} to {most:,}")
    return int(text)


def _real(environment: Mapping[str, str], name: str, default: float, most: float) -> float:
    try:
        number = float(environment.get(name, default))
    except ValueError:
        number = -1.0
    if not 0 <= number <= most:
        raise _invalid(name, f"a number from 0{f' to {most}' if isfinite(most) else ''}")
    return number


def _bytes(environment: Mapping[str, str], name: str) -> int | None:
    text = environment.get(name)
    try:
        return None if text is None else byte_count(text)
    except ValueError:
        raise _invalid(name, "a number of bytes such as 700M or 4G") from None


def _invalid(name: str, meaning: str) -> ValidationFailed:
    return ValidationFailed.at(f"/{name}", "setting", f"The environment variable {name} is {meaning}.")


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
