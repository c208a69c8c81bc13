"""The composition root: the only place that knows everything."""

import logging
import os
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from importlib.metadata import version
from pathlib import Path

import anyio
from fastapi import FastAPI
from quiredb_client import Client

from quiredb.api.application import Lifespan, create_api
from quiredb.api.dependencies import Services
from quiredb.api.door import OPEN_DOOR, Door
from quiredb.api.settings import ApiSettings
from quiredb.domain.admission import MemoryBudget
from quiredb.domain.errors import StorageFailed
from quiredb.domain.operating import StartProgress
from quiredb.embedders.completion import Completion
from quiredb.embedders.configuration import load_configuration
from quiredb.embedders.registry import EmbedderRegistry
from quiredb.indexes.contract import KernelSelfTestError
from quiredb.indexes.kernels.level import LEVEL
from quiredb.indexes.warmup import warm_up
from quiredb.local import ApplicationTransport
from quiredb.repositories.backup import Backups
from quiredb.repositories.keys import KeyRing
from quiredb.repositories.libraries import LibraryRepository
from quiredb.services.backup import BackupService
from quiredb.services.chunks import ChunkService
from quiredb.services.documents import DocumentService
from quiredb.services.health import HealthService
from quiredb.services.indexing import IndexingService
from quiredb.services.keys import KeyService
from quiredb.services.libraries import LibraryService
from quiredb.services.search import SearchService
from quiredb.services.transfer import TransferService
from quiredb.settings import Settings, is_loopback
from quiredb.storage.audit_log import AuditLog
from quiredb.storage.folder import FORMAT_VERSION
from quiredb.storage.machine import default_memory_limit, private_bytes

_log = logging.getLogger(__name__)
_SECONDS_BETWEEN_USES = 60

Say = Callable[[str], None]
_THREADS = 128
"""Of requests that wait for the disk, searches and imports apart; more than may write at once."""


class Instance:
    """One open data folder with everything that serves it. Close it once."""

    def __init__(self, settings: Settings) -> None:
        configuration = load_configuration(settings.embedders, os.environ)
        limit = default_memory_limit() if settings.memory_limit is None else settings.memory_limit or None
        memory = MemoryBudget(limit, private_bytes)
        self.repository = LibraryRepository.open(settings.data, settings.audit_share, memory)
        self.embedders = EmbedderRegistry(configuration)
        self.services = _services(self.repository, self.embedders)
        self.services.health.starting(StartProgress("loading search kernels"))
        self._api_settings = ApiSettings(
            secret=self.repository.folder.secret,
            requests_at_once_max=settings.requests_at_once_max,
            requests_per_second_max=settings.requests_per_second_max,
        )

    def api(self, lifespan: Lifespan | None = None, door: Door = OPEN_DOOR) -> FastAPI:
        """The HTTP application over this instance; by default nobody is asked for a key."""
        return create_api(self.services, self._api_settings, lifespan, door)

    def start(self, say: Say) -> None:
        """Compile or load the kernels and test them, then start background work."""
        warm_up(lambda name, done, total: self._step(say, name, done, total))
        self.repository.start()
        self.services.health.starting(None)

    def close(self) -> None:
        """Stop background work and release the folder."""
        self.repository.close()
        self.embedders.close()

    def _step(self, say: Say, name: str, done: int, total: int) -> None:
        step = f"search kernels {done}/{total}: {name}"
        self.services.health.starting(StartProgress(step, done, total))
        say(step)


def build(settings: Settings, progress: Say | None = None) -> FastAPI:
    """The application of a server.

    It answers at once; while the kernels are compiled, data routes say 503 and /readyz says why. Requests need an
    API key when there are keys, and always where other machines can ask and nobody said `allow_open`.
    """
    instance = Instance(settings)
    audit = AuditLog(settings.audit_path)
    keys = KeyRing(
        settings.data,
        required=not (settings.allow_open or is_loopback(settings.host)),
        health=instance.repository.folder.catalogue.health,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
        starter = threading.Thread(target=_start, args=(instance, progress or _log.info), name="quire-start")
        starter.start()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_record_uses, keys)
            yield
            tasks.cancel_scope.cancel()
        await anyio.to_thread.run_sync(_stop, instance, [keys.close, audit.close], starter)

    return instance.api(lifespan, Door(keys.identify, settings.hosts, audit.append))


async def _record_uses(keys: KeyRing) -> None:
    """Keep on disk, to the minute, when keys were last used."""
    while True:
        await anyio.sleep(_SECONDS_BETWEEN_USES)
        try:
            await anyio.to_thread.run_sync(keys.record_uses)
        except StorageFailed:
            _log.exception("when keys were last used cannot be written down")


def _start(instance: Instance, say: Say) -> None:
    try:
        instance.start(say)
    except (KernelSelfTestError, StorageFailed) as error:
        _log.exception("the server cannot start")
        instance.services.health.starting(StartProgress(f"failed: {error}", failed=True))


def _stop(instance: Instance, closing: Sequence[Callable[[], None]], starter: threading.Thread) -> None:
    starter.join()
    with ExitStack() as ending:  # which goes on when one of them fails
        ending.callback(instance.close)
        for close in closing:
            ending.callback(close)


def open_client(path: str | Path) -> Client:
    """A client of a data folder opened in this process, ready to use; closing it closes the folder."""
    instance = Instance(Settings.from_environment({**os.environ, "QUIRE_DATA": str(path)}))
    try:
        instance.start(_log.debug)
    except BaseException:
        instance.close()
        raise
    transport = ApplicationTransport(instance.api(), instance.close)
    return Client("http://quire.local", transport=transport, retries=0)


def _services(repository: LibraryRepository, embedders: EmbedderRegistry) -> Services:
    completion = Completion(embedders)
    versions = {"version": version("quiredb"), "api": "1", "format": str(FORMAT_VERSION), "kernels": LEVEL}
    return Services(
        libraries=LibraryService(repository, embedders),
        documents=DocumentService(repository, completion),
        chunks=ChunkService(repository, completion),
        search=SearchService(repository, completion),
        indexing=IndexingService(repository),
        transfer=TransferService(repository, completion),
        backup=BackupService(Backups(repository, versions["version"])),
        health=HealthService(repository, versions),
        keys=KeyService(repository),
    )
