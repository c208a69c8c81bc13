"""Vectors on the wire: arrays of numbers or base64, little-endian float32 inside."""

import base64
import binascii
import sys
from array import array
from typing import Annotated, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, PlainValidator, TypeAdapter, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError

from quiredb.api.schemas.base import located_error
from quiredb.domain.chunk import EMBEDDING_COMPONENT_BYTES, Embedding
from quiredb.domain.limits import DIMENSION_MAX

_WIRE_TYPES: dict[str, np.dtype[Any]] = {"f32": np.dtype("<f4"), "f16": np.dtype("<f2")}
_NUMBERS = {int, float}
_LENIENT_BASE64 = TypeAdapter(bytes, config=ConfigDict(val_json_bytes="base64"))

_BASE64 = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
_LARGEST = float(np.finfo(np.float32).max)

VECTOR_SCHEMA: dict[str, Any] = {
    "title": "Vector",
    "description": "Numbers, or base64 of little-endian float32 (`f32`) or float16 (`f16`) components.",
    "oneOf": [
        {
            "type": "array",
            "items": {"type": "number", "minimum": -_LARGEST, "maximum": _LARGEST},
            "minItems": 1,
            "maxItems": DIMENSION_MAX,
        },
        {
            "type": "object",
            "properties": {
                "b64": {"type": "string", "contentEncoding": "base64", "pattern": _BASE64},
                "dtype": {"type": "string", "enum": list(_WIRE_TYPES)},
            },
            "required": ["b64", "dtype"],
            "additionalProperties": False,
        },
    ],
    "examples": [[0.12, -0.5, 0.86], {"b64": "AACAPwAAAEA=", "dtype": "f32"}],
}


def decode_vector(value: object) -> Embedding:
    """The components of a vector as float32 bytes. Its dimension is judged by who knows the library.

    Raises:
        PydanticCustomError: it is no vector, is too long or empty, or has a component that float32 cannot hold.
    """
    if isinstance(value, list):
        return _from_numbers(value)
    if isinstance(value, dict):
        return _from_base64(value)
    raise PydanticCustomError("vector", "A vector is an array of numbers or an object with b64 and dtype.")


def _from_numbers(values: list[Any]) -> Embedding:
    _check_length(len(values))
    try:
        packed = array("f", values)
    except TypeError:
        raise _no_number(values) from None
    components = np.frombuffer(packed, dtype=np.float32)
    # What an array takes without being a number are true and false, and these become 1 and 0.
    if np.count_nonzero((components == 0) | (components == 1)) and not set(map(type, values)) <= _NUMBERS:
        raise _no_number(values)
    _check_finite(components)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def _no_number(values: list[Any]) -> PydanticCustomError:
    index = next(i for i, value in enumerate(values) if type(value) not in _NUMBERS)
    return located_error(f"/{index}", "vector-component", "A component is a number.")


def _from_base64(value: dict[str, Any]) -> Embedding:
    text, dtype = value.get("b64"), _WIRE_TYPES.get(str(value.get("dtype")))
    if dtype is None or not isinstance(text, str) or len(value) != 2:
        raise PydanticCustomError("vector", "A base64 vector has exactly the members b64 and dtype (f32 or f16).")
    data = _decode_base64(text)
    if len(data) % dtype.itemsize:
        raise located_error("/b64", "vector-base64", f"Components of {dtype.itemsize} bytes do not fill the data.")
    _check_length(len(data) // dtype.itemsize)
    if dtype.itemsize == EMBEDDING_COMPONENT_BYTES:
        _check_finite(np.frombuffer(data, dtype=dtype))
        return data
    components = np.frombuffer(data, dtype=dtype).astype("<f4")
    _check_finite(components)
    return components.tobytes()


def _decode_base64(text: str) -> bytes:
    """The bytes of strict base64 (RFC 4648, section 4).

    Pydantic's decoder takes half the time of Python's, but also takes JSON's escapes, the alphabet of URLs and text
    without padding. Text that may hold any of them, and what it refuses, is left to Python's.
    """
    if not (len(text) % 4 or "\\" in text or "-" in text or "_" in text):
        try:
            return _LENIENT_BASE64.validate_json(f'"{text}"')
        except ValidationError:
            pass
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise located_error("/b64", "vector-base64", "This is not base64.") from None


def _check_length(length: int) -> None:
    if not 1 <= length <= DIMENSION_MAX:
        raise PydanticCustomError("vector-length", f"A vector has 1 to {DIMENSION_MAX} components.")


def _check_finite(components: NDArray[Any]) -> None:
    finite = np.isfinite(components)
    if np.count_nonzero(finite) != len(finite):
        index = int(finite.argmin())
        raise located_error(f"/{index}", "vector-component", "A component is a finite float32 number.")


Vector: TypeAlias = Annotated[bytes, PlainValidator(decode_vector), WithJsonSchema(VECTOR_SCHEMA)]
"""A vector of a request; after validation, a domain `Embedding`."""

VectorAnswer: TypeAlias = Annotated[Any, WithJsonSchema(VECTOR_SCHEMA)]
"""A vector of an answer: a float32 array (which orjson writes as numbers) or the base64 form."""


def encode_vector(embedding: Embedding, *, b64: bool) -> VectorAnswer:
    """A vector as the answer shows it."""
    if b64:
        return {"b64": base64.b64encode(embedding).decode("ascii"), "dtype": "f32"}
    return np.frombuffer(embedding, dtype="<f4")
