"""A whole library in and out, as lines of NDJSON."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import httpx

from .. import calls
from ..decoding import decode_export, is_document
from ..errors import ConnectionFailed
from ..lines import LineSplitter
from .session import AsyncSession

_BACKUP_TIMEOUT = httpx.Timeout(60.0, read=900.0)


async def export_lines(session: AsyncSession, library: str) -> AsyncIterator[bytes]:
    """The lines of an export, as the server writes them.

    Raises:
        ConnectionFailed: the connection broke before the end.
    """
    call = calls.read("GET", "v1", "libraries", library, "export", library=library, stream=True)
    response = await session.send(call)
    splitter = LineSplitter()
    try:
        async for data in response.aiter_bytes():
            for line in splitter.feed(data):
                yield line
        for line in splitter.rest():
            yield line
    except httpx.RequestError as error:
        raise ConnectionFailed(f"the export of {library!r} broke off: {error}") from error
    finally:
        await response.aclose()


async def backup_stream(session: AsyncSession, known: Collection[str]) -> AsyncIterator[bytes]:
    """A backup of everything, as the server writes it, in pieces of any size.

    Raises:
        ConnectionFailed: the connection broke before the end.
    """
    patient = session.with_options(timeout=_BACKUP_TIMEOUT, policy=None)
    response = await patient.send(calls.read("POST", "v1", "backup", body={"known": sorted(known)}, stream=True))
    try:
        async for data in response.aiter_bytes():
            yield data
    except httpx.RequestError as error:
        raise ConnectionFailed(f"the backup broke off: {error}") from error
    finally:
        await response.aclose()


async def export_documents(session: AsyncSession, library: str) -> AsyncIterator[Mapping[str, Any]]:
    """The lines of an export, embeddings as float32 arrays.

    Documents with their first chunks; the further chunks of a long document follow one by one.
    """
    async for line in export_lines(session, library):
        yield decode_export(line)


async def export_file(session: AsyncSession, library: str, path: str | PathLike[str]) -> int:
    """Write an export to a file and return its number of documents; the file appears when it is complete."""
    target = Path(path)
    part = target.with_name(target.name + ".part")
    count = 0
    with part.open("wb") as file:
        async for line in export_lines(session, library):
            file.write(line + b"\n")
            count += is_document(line)
    part.replace(target)
    return count
