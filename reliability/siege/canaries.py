"""Unique secrets, every form in which one could lie about, and the search for them."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

_BASE64_GROUP = 3


@dataclass(frozen=True, slots=True)
class Canary:
    """A secret by what it is, and the bytes that tell it."""

    name: str
    forms: frozenset[bytes]

    @classmethod
    def of_text(cls, name: str, text: str) -> Canary:
        """Of a text: as it is, and quoted as in an address."""
        return cls(name, frozenset({*_encoded(text.encode()), quote(text, safe="").encode()}))

    @classmethod
    def of_key_file(cls, name: str, pem: str) -> Canary:
        """Of a private key: its inner lines, and what they encode."""
        lines = pem.split("-----")[2].split()
        forms = (form for line in lines[1:-1] for form in _encoded(line.encode()))
        return cls(name, frozenset({*forms, *_encoded(base64.b64decode("".join(lines)))}))

    @classmethod
    def of_vector(cls, name: str, vector: Iterable[float]) -> Canary:
        """Of an embedding: its bytes as float32 and float64, and each of its numbers as text."""
        numbers = list(vector)
        forms = {form for letter in "fd" for form in _encoded(struct.pack(f"<{len(numbers)}{letter}", *numbers))}
        return cls(name, frozenset({*forms, *(repr(number).encode() for number in numbers)}))

    def is_in(self, content: bytes) -> bool:
        """Whether any of its forms is in there."""
        return any(form in content for form in self.forms)


def _encoded(secret: bytes) -> Iterator[bytes]:
    """The secret, as hex, and what is the same of its base64 whatever stands before and after it."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    for before in range(_BASE64_GROUP):
        whole = base64.b64encode(b"\0" * before + secret)
        # The first and the last group also hold bits of the neighbours.
        inner = whole[4 if before else 0 : -4]
        yield inner
        yield inner.translate(bytes.maketrans(b"+/", b"-_"))


def found_in(places: Mapping[str, bytes], canaries: Iterable[Canary]) -> list[str]:
    """Where a secret lies about."""
    wanted = list(canaries)
    return [f"{one.name} is in {place}" for place, content in places.items() for one in wanted if one.is_in(content)]


def content_of(folder: Path) -> bytes:
    """Everything in a folder and below it."""
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
