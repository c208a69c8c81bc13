"""Queries made from a library's own rows, for measuring recall."""

import numpy as np
from numpy.typing import NDArray

_SHARES = (0.3, 0.7)


def queries_like(
    rows: NDArray[np.float32], plus: NDArray[np.float32], minus: NDArray[np.float32], random: np.random.Generator
) -> NDArray[np.float32]:
    """Each row moved by 0.3 to 0.7 of the difference of two others; all float32[m, d].

    A row as its own query is found by any graph. A moved row is as far from all rows, and in the same directions, as a
    query from outside would be.
    """
    share = random.uniform(*_SHARES, (len(rows), 1)).astype(np.float32)
    return np.ascontiguousarray(rows + share * (plus - minus))
