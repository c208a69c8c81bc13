"""TLS from files, with certificates that may be renewed while the server runs."""

import ssl
from pathlib import Path

from quiredb.cli.exit_codes import ExitCode
from quiredb.cli.failures import CommandFailed
from quiredb.settings import Settings


class Certificate:
    """The certificate chain and key of a server, and the TLS context that uses them."""

    def __init__(self, chain: Path, key: Path) -> None:
        self._chain = chain
        self._key = key
        self.context = _context()
        self.load()

    @classmethod
    def of(cls, settings: Settings) -> "Certificate | None":
        """What the settings name, or None for a server without TLS. `CommandFailed` for half or what is none."""
        if settings.tls_certificate is None and settings.tls_key is None:
            return None
        if settings.tls_certificate is None or settings.tls_key is None:
            raise CommandFailed(
                "TLS needs both a certificate and its key",
                "give --tls-certificate and --tls-key",
                ExitCode.CONFIGURATION,
            )
        try:
            return cls(settings.tls_certificate, settings.tls_key)
        except (OSError, ssl.SSLError) as error:
            raise CommandFailed(
                f"the certificate {settings.tls_certificate} and the key {settings.tls_key} cannot be used: {error}",
                exit_code=ExitCode.CONFIGURATION,
            ) from error

    def load(self) -> None:
        """Read the files again: connections from now on are offered what they hold.

        OSError when they are of no use; then what was read before stays.
        """
        # A context that has taken a chain whose key does not fit has lost the key that it had.
        _context().load_cert_chain(self._chain, self._key)
        self.context.load_cert_chain(self._chain, self._key)


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
