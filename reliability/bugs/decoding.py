"""Bugs of what turns bytes into values."""

from __future__ import annotations

from typing import Any

import reliability.decoders
from quiredb.storage import segment_file


def read_true_as_one() -> None:
    """Booleans in arrays become numbers."""
    decode = reliability.decoders.decode

    def lossy(raw: bytes) -> Any:
        value = decode(raw)
        return [int(item) if isinstance(item, bool) else item for item in value] if isinstance(value, list) else value

    reliability.decoders.decode = lossy


def believe_segment_headers() -> None:
    """What a segment's header says of its arrays is not judged."""

    def located(_path: object, _name: str, fields: Any, first: int) -> Any:
        return segment_file._Stored(**{**fields, "offset": fields["offset"] + first})

    segment_file._located = located
