"""Vectors on the wire against NumPy."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from quiredb.api.vectors import decode_vector, encode_vector

_FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


def _b64(array: np.ndarray[Any, Any]) -> str:
    return base64.b64encode(array.tobytes()).decode()


@given(st.lists(_FLOATS | st.integers(-1000, 1000), min_size=1, max_size=20))
def test_numbers_become_float32(values: list[float]) -> None:
    assert decode_vector(values) == np.array(values, dtype="<f4").tobytes()


@given(st.lists(_FLOATS, min_size=1, max_size=20), st.sampled_from(["f32", "f16"]))
def test_base64_becomes_float32(values: list[float], dtype: str) -> None:
    with np.errstate(over="ignore"):
        array = np.array(values, dtype={"f32": "<f4", "f16": "<f2"}[dtype])
    sent = {"b64": _b64(array), "dtype": dtype}
    if np.isfinite(array).all():
        assert decode_vector(sent) == array.astype("<f4").tobytes()
    else:
        with pytest.raises(PydanticCustomError):
            decode_vector(sent)


@given(st.binary(min_size=1, max_size=40), st.data())
def test_base64_is_taken_exactly_as_strictly_as_python_does(content: bytes, data: st.DataObject) -> None:
    text = base64.b64encode(content * 4).decode()
    place = data.draw(st.integers(0, len(text)))
    put = data.draw(st.text(alphabet='AQgw+/=-_\\"un0 \n\u00e9', max_size=6))
    text = text[:place] + put + text[place + data.draw(st.integers(0, 6)) :]
    try:
        expected = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        expected = b""
    sent = {"b64": text, "dtype": "f32"}
    if expected and len(expected) % 4 == 0 and np.isfinite(np.frombuffer(expected, "<f4")).all():
        assert decode_vector(sent) == expected
    else:
        with pytest.raises(PydanticCustomError):
            decode_vector(sent)


@given(st.lists(_FLOATS, min_size=1, max_size=20))
def test_answers_are_read_back(values: list[float]) -> None:
    embedding = np.array(values, dtype="<f4").tobytes()
    assert decode_vector(encode_vector(embedding, b64=True)) == embedding
    assert decode_vector(encode_vector(embedding, b64=False).tolist()) == embedding


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ([], ""),
        ([0.5] * 4097, ""),
        ([1, "nan"], "/1"),
        ([1, "1.5"], "/1"),
        ([1, 2, True], "/2"),
        ([None], "/0"),
        ([[1]], "/0"),
        ([1, 1e39], "/1"),
        ([1, float("inf")], "/1"),
        ([1, 10**40], "/1"),
        ("0.1", ""),
        (1, ""),
        (None, ""),
        ({}, ""),
        ({"b64": "AAAA"}, ""),
        ({"b64": "AACAPw==", "dtype": "f64"}, ""),
        ({"b64": "AACAPw==", "dtype": "f32", "shape": [1]}, ""),
        ({"b64": "AACAPw", "dtype": "f32"}, "/b64"),
        ({"b64": "AACA_w==", "dtype": "f32"}, "/b64"),
        ({"b64": "AACA-w==", "dtype": "f32"}, "/b64"),
        ({"b64": "AACA\\u0050\\u0077\\u003d\\u003d", "dtype": "f32"}, "/b64"),
        ({"b64": 'AACA", "', "dtype": "f32"}, "/b64"),
        ({"b64": "not base64!", "dtype": "f32"}, "/b64"),
        ({"b64": "AACA\nPw==", "dtype": "f32"}, "/b64"),
        ({"b64": "AACA", "dtype": "f32"}, "/b64"),
        ({"b64": "", "dtype": "f32"}, ""),
        ({"b64": _b64(np.array([1, np.nan], "<f4")), "dtype": "f32"}, "/1"),
        ({"b64": _b64(np.array([np.inf], "<f2")), "dtype": "f16"}, "/0"),
        ({"b64": "\u00e9" * 8, "dtype": "f32"}, "/b64"),
        ({"b64": 3, "dtype": "f32"}, ""),
        ({"b64": "AACAPw==", "dtype": ["f32"]}, ""),
    ],
)
def test_refused_with_its_place(value: object, place: str) -> None:
    with pytest.raises(PydanticCustomError) as failure:
        decode_vector(value)
    assert (failure.value.context or {}).get("suffix", "") == place
