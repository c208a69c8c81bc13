"""Secrets are taken through a server in every way, and then looked for wherever they must not lie about."""

from __future__ import annotations

import os
import random
import signal
import ssl
import subprocess
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from quiredb.domain.keys import KeyDraft
from quiredb.domain.rights import Role
from quiredb.repositories.keys import create_key, revoke_key
from quiredb.storage.backups.folder import BackupFolder
from quiredb.storage.backups.restore import restore_backup
from quiredb.storage.backups.stream import decode_parts
from reliability.raw_http import exchange
from reliability.servers import Nursery, Server
from reliability.siege.canaries import Canary, content_of, found_in
from reliability.siege.echoing_provider import KEY_VARIABLE, echoing_provider
from reliability.siege.secret_requests import MINE, SPOKEN, THEIRS, Asked, Told, failing, furnishing, hostile
from reliability.wire import Answer, Wire

TROUBLES = ("door.log_everything", "api.unexpected_error")
_RENEWED_WITHIN_SECONDS = 10.0
_QUOTING = "embedding-failed"
"""Whoever sent a text to a provider is told the provider's words about it."""


def _random_key(chance: random.Random) -> str:
    return f"{chance.randrange(16**40):040x}"


@dataclass(slots=True)
class Hunt:
    """A data folder whose keys, contents and files are all secrets. `over_tls`: all of it once more, with JSON logs."""

    folder: Path
    chance: random.Random
    counts: Counter[str]
    over_tls: bool
    bugs: Sequence[str] = ()
    keys: dict[str, str] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    _keys: list[Canary] = field(default_factory=list)
    _contents: list[Canary] = field(default_factory=list)

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    def run(self) -> list[str]:
        """Everything; what lies about."""
        told = Told.by(self.chance)
        self._make_keys()
        self._contents = [
            Canary.of_text("a chunk's text", told.text),
            Canary.of_text("a value of metadata", told.metadata),
            Canary.of_text("a query's text", told.query),
            # What an address and a header can hold of it.
            Canary.of_text("a query's text", told.query[:18]),
            Canary.of_vector("an embedding", told.embedding),
            Canary.of_vector("a query's vector", told.query_vector),
        ]
        provider_key = _random_key(self.chance)
        self._keys.append(Canary.of_text("the provider's key", provider_key))
        with (
            echoing_provider() as described,
            Nursery([*TROUBLES, *self.bugs], {KEY_VARIABLE: provider_key}) as nursery,
        ):
            embedders = self.folder / "embedders.toml"
            embedders.write_text(described)
            arguments = ["--embedders", str(embedders), "--log-level", "debug"]
            self._visit(nursery.start(self.data, [*arguments, "--log-format", "text"]), told, is_first=True)
            if self.over_tls:
                self._visit_over_tls(nursery, [*arguments, "--log-format", "json"], told)
        self._look_into_files()
        return self.violations

    def _make_keys(self) -> None:
        drafts = {
            "server": KeyDraft("server", Role.SERVER_ADMIN),
            MINE: KeyDraft(MINE, Role.ADMIN, (MINE,)),
            THEIRS: KeyDraft(THEIRS, Role.ADMIN, (THEIRS,)),
        }
        self.keys = {name: create_key(self.data, draft)[1] for name, draft in drafts.items()}
        revoked, self.keys["revoked"] = create_key(self.data, KeyDraft("revoked"))
        revoke_key(self.data, revoked.id)
        self.keys["forged"] = self.keys["server"][:-6] + self.keys["revoked"][-6:]
        # A key begins with its id, which is no secret.
        self._keys += [Canary.of_text(f"the {name} key", key.rpartition("_")[2]) for name, key in self.keys.items()]

    def _visit_over_tls(self, nursery: Nursery, arguments: Sequence[str], told: Told) -> None:
        chain, key = _certify(self.folder)
        self._keys.append(Canary.of_key_file("the TLS key", key.read_text()))
        files = ["--tls-certificate", str(chain), "--tls-key", str(key)]
        server = nursery.start(self.data, [*arguments, *files])
        server.context = ssl.create_default_context(cafile=str(chain))
        server.context.check_hostname = False
        self._visit(server, told, is_first=False)

    def _visit(self, server: Server, told: Told, *, is_first: bool) -> None:
        """Ask everything of a server, look around in it, and end it."""
        server.wait_until_ready()
        with server.wire() as wire:
            if is_first:
                for asked in furnishing(told):
                    answer = self._ask(wire, asked)
                    if not answer.is_done:
                        self.violations.append(f"{asked.method} {asked.path} was answered {answer}")
            for asked in [*failing(told), *hostile(told)]:
                self._ask(wire, asked)
            if is_first:
                _garble(server.port, told, self.keys["server"])
            else:
                _renew_badly(server)
            self._back_up(wire)
            metrics = self._ask(wire, Asked("GET", "/metrics", key="server")).body
        command = Path(f"/proc/{server.process_id}/cmdline").read_bytes()
        status = server.end()
        if status != 0:
            self.violations.append(f"the server ended with {status}")
        log = server.log.read_bytes()
        audit = b"".join(path.read_bytes() for path in sorted(self.data.glob("audit.jsonl*")))
        self.counts["bytes of logs"] += len(log) + len(audit)
        self._look(
            {"the log": log, "the audit log": audit, "the metrics": metrics, "the command line": command},
            [*self._keys, *self._contents],
        )

    def _ask(self, wire: Wire, asked: Asked) -> Answer:
        headers = {"authorization": f"Bearer {self.keys[asked.key]}"} if asked.key else {}
        answer = wire.ask(asked.method, asked.path, asked.body, {**headers, **asked.headers})
        self.counts["requests with secrets"] += 1
        if b'"code":"%s"' % _QUOTING.encode() in answer.body:
            return answer
        may_read = asked.key in {MINE, "server"} and answer.status < 400
        content = str(answer.headers).encode() + answer.body
        place = f"the answer {answer.status} to {asked.method} {asked.path} with the key {asked.key}"
        self._look({place: content}, self._keys if may_read else [*self._keys, *self._contents])
        return answer

    def _look(self, places: Mapping[str, bytes], canaries: Iterable[Canary]) -> None:
        self.counts["places searched"] += len(places)
        self.violations += found_in(places, canaries)

    def _back_up(self, wire: Wire) -> None:
        """Take a backup of the server, sealed with a secret."""
        secret = self.folder / "seal"
        if not secret.exists():
            secret.write_text(_random_key(self.chance))
            self._keys.append(Canary.of_text("the seal of backups", secret.read_text()))
        backups = BackupFolder.open_or_make(self.folder / "backups", secret.read_bytes())
        headers = {"authorization": f"Bearer {self.keys['server']}"}
        sent = wire.demand("POST", "/v1/backup", {"known": sorted(backups.known_blocks())}, headers)
        backups.take(decode_parts([sent.body]), lambda _: None)

    def _look_into_files(self) -> None:
        """The data folder and backups hold no keys; the backup of one library holds nothing of another."""
        backups = BackupFolder.open(self.folder / "backups", (self.folder / "seal").read_bytes())
        for library in (MINE, THEIRS, SPOKEN):
            restore_backup(backups, backups.backup(), self.folder / library, lambda _: None, library)
        self._look(
            {"the data folder": content_of(self.data), "the folder of backups": content_of(backups.path)}, self._keys
        )
        for library in (THEIRS, SPOKEN):
            content = content_of(self.folder / library)
            self._look({f"the backup of {library}": content}, [*self._keys, *self._contents])
        mine = content_of(self.folder / MINE)
        stored = [one for one in self._contents if not one.name.startswith("a query")]
        self.violations += [f"the hunt does not see {one.name} where it is" for one in stored if not one.is_in(mine)]


def _certify(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost and its key."""
    chain, key = folder / "chain.pem", folder / "key.pem"
    command = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout {key} -out {chain}"
    subprocess.run(command.split(), check=True, capture_output=True)
    return chain, key


def _garble(port: int, told: Told, key: str) -> None:
    """What is no HTTP, or too much of it, with secrets in it."""
    head = f"GET /v1/limits HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\n"
    for sent in (
        f"{key} {told.text}\r\n\r\n",
        f"GET /?{key}{'x' * 9_000} HTTP/1.1\r\n\r\n",
        f"{head}x-a: {key * 400}\r\n\r\n",
        f"{head}authorization: Bearer {key}\r\n\r\n",
        f"{head}content-length: {key}\r\n\r\n{told.text}",
    ):
        exchange(port, sent.encode())


def _renew_badly(server: Server) -> None:
    """Have the server read its certificate again when it is one, and when it is none."""
    chain = server.data.with_name("chain.pem")
    for content, said in ((chain.read_text(), "read the certificate again"), ("none", "the old one stays")):
        chain.write_text(content)
        os.kill(server.process_id, signal.SIGHUP)
        until = time.monotonic() + _RENEWED_WITHIN_SECONDS
        while said not in server.said and time.monotonic() < until:
            time.sleep(0.02)
