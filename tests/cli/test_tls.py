"""TLS as an operator sets it up: from files, renewed without a restart."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from quiredb.cli.exit_codes import ExitCode
from quiredb.cli.tls import Certificate
from tests.cli.conftest import Quire, until
from tests.cli.test_serve import serving

OPENSSL = shutil.which("openssl")
DOCKERFILE = Path(__file__).parents[2] / "Dockerfile"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for localhost and its key."""
    return certify(tmp_path / "chain.pem", tmp_path / "key.pem")


def certify(chain: Path, key: Path) -> tuple[Path, Path]:
    assert OPENSSL, "these tests make certificates with openssl"
    command = f"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout {key} -out {chain}"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([OPENSSL, *command.split(), *names], check=True, capture_output=True)
    return chain, key


def shown(port: int, trusted: Path) -> bytes | None:
    """The certificate that a server shows, in DER."""
    context = ssl.create_default_context(cafile=str(trusted))
    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        return connection.getpeercert(binary_form=True)


def der_of(chain: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(chain.read_text())


def test_a_server_speaks_tls_and_renews_its_certificate(tmp_path: Path, files: tuple[Path, Path]) -> None:
    chain, key = files
    options = ("--tls-certificate", str(chain), "--tls-key", str(key))
    with serving(tmp_path / "data", *options) as server:
        port = int(server.url.rpartition(":")[2])
        trusted = ssl.create_default_context(cafile=str(chain))
        with httpx.Client(base_url=f"https://localhost:{port}", verify=trusted) as client:
            answer = client.get("/livez")
        old = ssl.create_default_context(cafile=str(chain))
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with httpx.Client(base_url=f"https://localhost:{port}", verify=old) as client:
            assert client.get("/livez").status_code == 200
        first = der_of(chain)
        assert shown(port, chain) == first
        certify(chain, key)
        server.process.send_signal(signal.SIGHUP)
        until(lambda: "read the certificate again" in server.said)
        renewed = shown(port, chain)
        trusted_still = tmp_path / "trusted.pem"
        trusted_still.write_bytes(chain.read_bytes())
        certify(chain, tmp_path / "another-key.pem")
        server.process.send_signal(signal.SIGHUP)
        until(lambda: "the old one stays" in server.said)
        assert shown(port, trusted_still) == renewed
        assert server.end() == 0

    assert answer.headers["strict-transport-security"].startswith("max-age=")
    assert renewed is not None
    assert renewed != first


def test_the_image_asks_for_its_health_with_and_without_tls(tmp_path: Path, files: tuple[Path, Path]) -> None:
    chain, key = files
    with serving(tmp_path / "plain") as plain:
        assert health(plain.url) == 0
        assert health(plain.url, QUIRE_TLS_CERTIFICATE=str(chain)) != 0
    with serving(tmp_path / "tls", "--tls-certificate", str(chain), "--tls-key", str(key)) as server:
        assert health(server.url, QUIRE_TLS_CERTIFICATE=str(chain)) == 0
        assert health(server.url) != 0


def health(url: str, **told: str) -> int:
    """The exit code of the image's health check, run as in a container whose way out is a proxy."""
    command = DOCKERFILE.read_text().partition("HEALTHCHECK ")[2].partition(" CMD ")[2].splitlines()[0]
    _, *arguments = json.loads(command)
    proxies = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:1")
    environment = {"PATH": os.environ["PATH"], "PORT": url.rpartition(":")[2], **proxies, **told}
    return subprocess.run([sys.executable, *arguments], check=False, env=environment, capture_output=True).returncode


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_versions_are_not_spoken(files: tuple[Path, Path], version: ssl.TLSVersion) -> None:
    context = Certificate(*files).context
    assert context.minimum_version > version


def test_half_of_tls_is_a_configuration_error(quire: Quire, tmp_path: Path, files: tuple[Path, Path]) -> None:
    data = tmp_path / "data"
    half = quire("serve", "--data", data, "--tls-certificate", files[0])
    wrong = quire("serve", "--data", data, "--tls-certificate", files[1], "--tls-key", files[1])

    assert (half.code, wrong.code) == (ExitCode.CONFIGURATION, ExitCode.CONFIGURATION)
    assert "both a certificate and its key" in half.err
    assert "cannot be used" in wrong.err
    assert not data.exists()
