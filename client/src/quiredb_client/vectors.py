"""Vectors on the wire: base64 of little-endian float32 out, numbers or base64 in."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import UnexpectedAnswer
from .inputs import Vector

_DTYPES: dict[str, np.dtype[Any]] = {"f32": np.dtype("<f4"), "f16": np.dtype("<f2")}


def encode_vector(vector: Vector) -> dict[str, str]:
    """`{"b64", "dtype"}` of one vector; a mapping is taken to be encoded already.

    Raises:
        ValueError: the vector is not one-dimensional, or not numbers.
    """
    if isinstance(vector, Mapping):
        return dict(vector)
    array = np.asarray(vector, dtype=_DTYPES["f32"])
    if array.ndim != 1:
        raise ValueError(f"a vector has one dimension, this one has shape {array.shape}")
    return {"b64": base64.b64encode(array.tobytes()).decode("ascii"), "dtype": "f32"}


def encode_vectors(vectors: Sequence[Vector] | NDArray[Any]) -> list[dict[str, str]]:
    """One encoded vector per row of a 2-d array or per item of a sequence.

    Raises:
        ValueError: an array that is not two-dimensional.
    """
    if isinstance(vectors, np.ndarray) and vectors.ndim != 2:
        raise ValueError(f"an array of vectors has shape (count, dimension), this one has {vectors.shape}")
    return [encode_vector(vector) for vector in vectors]


def decode_vector(value: object) -> NDArray[np.float32]:
    """A float32 array of shape (dimension,) from numbers or `{"b64", "dtype"}`.

    Raises:
        UnexpectedAnswer: neither of the two, or a dtype this version does not know.
    """
    if isinstance(value, Mapping):
        dtype = _DTYPES.get(str(value.get("dtype", "f32")))
        if dtype is None or "b64" not in value:
            raise UnexpectedAnswer(f"cannot read a vector with dtype {value.get('dtype')!r}")
        return np.frombuffer(base64.b64decode(value["b64"]), dtype=dtype).astype(np.float32)
    if isinstance(value, list):
        return np.array(value, dtype=np.float32)
    raise UnexpectedAnswer(f"cannot read a vector from {type(value).__name__}")
