"""The parts of a backup as bytes, for the way from a server to whoever keeps the backup.

Each part is a letter, the length of what follows (4 bytes, little-endian), and that: `B` the content of a block, `K`
the digest of a known block, `M` the manifest. The manifest is the last part: a stream without one has broken off.
"""

import struct
from collections.abc import Iterable, Iterator
from hashlib import sha256

from quiredb.domain.errors import DataDamaged
from quiredb.storage.backups.manifest import (
    BLOCK_BYTES,
    MANIFEST_BYTES_MAX,
    Manifest,
    decode_manifest,
    encode_manifest,
)
from quiredb.storage.backups.source import Block, KnownBlock, Part

_HEAD = struct.Struct("<cI")
_LONGEST = {b"B": BLOCK_BYTES, b"K": 32, b"M": MANIFEST_BYTES_MAX}


def encode_part(part: Part) -> bytes:
    """One part of the stream."""
    match part:
        case Block():
            kind, content = b"B", part.content
        case KnownBlock():
            kind, content = b"K", bytes.fromhex(part.digest)
        case Manifest():
            kind, content = b"M", encode_manifest(part)
    return _HEAD.pack(kind, len(content)) + content


def decode_parts(stream: Iterable[bytes]) -> Iterator[Part]:
    """The parts of a stream that comes in pieces of any size; `DataDamaged` where it is none of ours or breaks off."""
    received = _Received(iter(stream))
    while head := received.take(_HEAD.size, may_end=True):
        kind, size = _HEAD.unpack(head)
        if size > _LONGEST.get(kind, -1):
            raise DataDamaged("The server's answer is not a backup; is it another version of Quire?")
        content = received.take(size)
        if kind == b"M":
            yield decode_manifest(content)
        elif kind == b"K":
            yield KnownBlock(content.hex())
        else:
            yield Block(sha256(content).hexdigest(), content)


class _Received:
    """Bytes that have arrived and were not taken yet."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._waiting = bytearray()

    def take(self, size: int, *, may_end: bool = False) -> bytes:
        """The next `size` bytes; none when the stream ends here and may."""
        while len(self._waiting) < size:
            piece = next(self._pieces, None)
            if piece is None:
                if may_end and not self._waiting:
                    return b""
                raise DataDamaged("The backup broke off before its end; nothing was added. Try again.")
            self._waiting += piece
        taken = bytes(memoryview(self._waiting)[:size])
        del self._waiting[:size]
        return taken
