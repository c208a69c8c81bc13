"""A sorted set of distinct strings in two arrays: mapped from a file, searched without decoding."""

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


class StringDictionary:
    """Distinct strings in code point order, as UTF-8 in one blob; a string's number in that order is its code.

    UTF-8 keeps code point order under byte comparison, so all look-ups compare bytes. Read-only after it was made.
    """

    def __init__(self, blob: NDArray[np.uint8], offsets: NDArray[np.int64]) -> None:
        self.blob = blob
        self.offsets = offsets

    @classmethod
    def of(cls, strings: Iterable[str]) -> "StringDictionary":
        """The dictionary of `strings`, which need not be sorted or distinct."""
        encoded = [text.encode() for text in sorted(set(strings))]
        offsets = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum([len(one) for one in encoded], out=offsets[1:])
        return cls(np.frombuffer(b"".join(encoded), np.uint8), offsets)

    @classmethod
    def encode(cls, strings: Sequence[str]) -> tuple["StringDictionary", NDArray[np.int32]]:
        """The dictionary of `strings`, and the code of each of them."""
        codes = {text: code for code, text in enumerate(sorted(set(strings)))}
        return cls.of(codes), np.fromiter((codes[text] for text in strings), np.int32, len(strings))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, code: int) -> str:
        return self._bytes_at(code).decode()

    @property
    def nbytes(self) -> int:
        """Bytes of both arrays."""
        return self.blob.nbytes + self.offsets.nbytes

    @cached_property
    def _data(self) -> bytes:
        return self.blob.tobytes()

    def _bytes_at(self, code: int) -> bytes:
        return self.blob[self.offsets[code] : self.offsets[code + 1]].tobytes()

    def lower_bound(self, text: str) -> int:
        """How many strings are smaller than `text`."""
        return self._bisect(text.encode(), len(self))

    def _bisect(self, key: bytes, high: int) -> int:
        low = 0
        while low < high:
            middle = (low + high) // 2
            if self._bytes_at(middle) < key:
                low = middle + 1
            else:
                high = middle
        return low

    def code_of(self, text: str) -> int:
        """The code of `text`, or -1."""
        code = self.lower_bound(text)
        return code if code < len(self) and self._bytes_at(code) == text.encode() else -1

    def codes_of(self, texts: Iterable[str]) -> dict[str, int]:
        """The codes of those texts that are here."""
        found = {text: self.code_of(text) for text in texts}
        return {text: code for text, code in found.items() if code >= 0}

    def containing(self, needle: str) -> NDArray[np.bool_]:
        """Per code: whether the string contains `needle`. One pass of byte search over the blob."""
        hits = np.zeros(len(self), np.bool_)
        key = needle.encode()
        if not key:
            hits[:] = True
            return hits
        at = self._data.find(key)
        while at >= 0:
            code = int(np.searchsorted(self.offsets, at, side="right")) - 1
            end = int(self.offsets[code + 1])
            inside = at + len(key) <= end
            hits[code] |= inside
            at = self._data.find(key, end if inside else at + 1)
        return hits

    def folded_containing(self, needle: str) -> NDArray[np.bool_]:
        """Per code: whether the string contains `needle` when case is folded."""
        folded = needle.casefold()
        return np.fromiter((folded in text for text in self._folded), np.bool_, len(self))

    def folded_equal(self, text: str) -> NDArray[np.bool_]:
        """Per code: whether the string equals `text` when case is folded."""
        folded = text.casefold()
        return np.fromiter((folded == one for one in self._folded), np.bool_, len(self))

    @cached_property
    def _folded(self) -> list[str]:
        return [self[code].casefold() for code in range(len(self))]

    def starting_with(self, prefix: str) -> NDArray[np.bool_]:
        """Per code: whether the string starts with `prefix`."""
        key = prefix.encode()
        hits = np.zeros(len(self), np.bool_)
        code = self._bisect(key, len(self))
        while code < len(self) and self._bytes_at(code).startswith(key):
            hits[code] = True
            code += 1
        return hits

    def ending_with(self, suffix: str) -> NDArray[np.bool_]:
        """Per code: whether the string ends with `suffix`."""
        key = suffix.encode()
        return np.fromiter((self._bytes_at(code).endswith(key) for code in range(len(self))), np.bool_, len(self))
