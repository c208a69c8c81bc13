"""An array that one writer appends to while readers hold earlier prefixes."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class GrowingArray:
    """Rows of one dtype (and, with `width`, that many columns). A published prefix never changes.

    Appending writes behind the last published row, or into a larger copy; prefixes handed out stay as they were.
    """

    def __init__(self, dtype: DTypeLike, width: int | None = None, capacity: int = 1024) -> None:
        self._data: NDArray[Any] = np.empty(self._shape(capacity, width), dtype)
        self._width = width
        self._count = 0

    @staticmethod
    def _shape(rows: int, width: int | None) -> tuple[int, ...]:
        return (rows,) if width is None else (rows, width)

    def extend(self, rows: NDArray[Any]) -> None:
        """Append rows."""
        needed = self._count + len(rows)
        if needed > len(self._data):
            larger = np.empty(self._shape(max(needed, 2 * len(self._data)), self._width), self._data.dtype)
            larger[: self._count] = self._data[: self._count]
            self._data = larger
        self._data[self._count : needed] = rows
        self._count = needed

    def published(self) -> NDArray[Any]:
        """The rows so far, as a read-only array."""
        prefix = self._data[: self._count]
        prefix.flags.writeable = False
        return prefix
