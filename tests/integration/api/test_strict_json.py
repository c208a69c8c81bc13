"""The decoder against the standard library as the independent truth."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiredb.api.errors import MalformedJson
from quiredb.api.strict_json import DEPTH_MAX, decode, decode_object
from quiredb.domain.errors import TooLarge, ValidationFailed

_SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
_TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=8)
_VALUES = st.recursive(
    _SCALARS | _TEXTS | st.sampled_from(['"', "\\", '\\"', "{", "}:", "[", '":']),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=20,
)


class _Repeats(Exception):
    pass


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise _Repeats
    return dict(pairs)


@given(_VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_whatever_json_writes_is_read_back(value: object, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert decode(text.encode()) == json.loads(text)


@given(st.text(alphabet='{}[]:,"\\ 1ab', max_size=24))
def test_arbitrary_text_is_refused_or_read_like_the_standard_library_reads_it(text: str) -> None:
    try:
        truth = json.loads(text, object_pairs_hook=_without_repeats)
    except (json.JSONDecodeError, _Repeats):
        with pytest.raises(MalformedJson):
            decode(text.encode())
    else:
        assert decode(text.encode()) == truth


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b'{"text":"a","emb',
        b'\xef\xbb\xbf{"a":1}',
        '{"a":1}'.encode("utf-16"),
        b'{"a":"\xff"}',
        b'{"a":NaN}',
        b'{"a":[1,Infinity]}',
        b'{"a":-Infinity}',
        b'{"a":1e999,"b":NaN}',
        b'{"a":1,"a":1}',
        b'{"a":1,"\\u0061":1}',
        b'[1,{"a":1,"a":2}]',
        b'{"x":[[1,2],[3,{"a":{"b":1,"b":1}}]]}',
        b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1),
        b"[" * 900 + b"]" * 900,
        b"[" * 100_000,
        b'{"a":1}}',
        b'{"a":01}',
        b"{'a':1}",
        b'{"a":1,}',
    ],
)
def test_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedJson):
        decode(raw)


def test_depth_up_to_the_limit_is_read() -> None:
    assert decode(b"[" * DEPTH_MAX + b"]" * DEPTH_MAX) is not None


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        (b'{"text":"\\ud800"}', "/text"),
        (b'{"a":[0,"\\ud800\\u0041"]}', "/a/1"),
        (b'{"a":{"\\udc00":1}}', "/a"),
        (b'{"n":1e999,"text":"\\ud800"}', "/text"),
    ],
)
def test_half_a_surrogate_pair_is_named(raw: bytes, pointer: str) -> None:
    with pytest.raises(ValidationFailed) as failure:
        decode(raw)
    assert failure.value.violations[0].pointer == pointer


def test_whole_surrogate_pairs_are_characters() -> None:
    assert decode(b'{"a":"\\ud83d\\ude00"}') == {"a": "\N{GRINNING FACE}"}


@pytest.mark.parametrize("number", [b"1e999", b"9" * 5000, b"-" + b"9" * 5000])
def test_numbers_beyond_float64_are_left_to_the_field_that_holds_them(number: bytes) -> None:
    value = decode(b'{"a":' + number + b"}")["a"]
    assert math.isinf(value)


@pytest.mark.parametrize("raw", [b"[1]", b'"x"', b"3", b"null"])
def test_a_body_is_an_object(raw: bytes) -> None:
    with pytest.raises(ValidationFailed):
        decode_object(raw)


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b'"' + b"x" * (32 << 20) + b'"', ValidationFailed),
        (b'{"a":[' + b"[]," * (10 << 20) + b"1]}", TooLarge),
        (b'{"a":[' + b'"",' * (10 << 20) + b"1]}", TooLarge),
        (b"[" * (32 << 20), MalformedJson),
        (b'{"a":' * (6 << 20), (MalformedJson, TooLarge)),
        (b"\\" * (32 << 20), MalformedJson),
        (b"\x00" * (32 << 20), MalformedJson),
        (b'{"a":1e999,' + b'"' * (32 << 20), (MalformedJson, TooLarge)),
    ],
)
def test_large_garbage_is_answered_quickly(raw: bytes, error: type[Exception]) -> None:
    started = time.process_time()
    with pytest.raises(error):
        decode_object(raw)
    assert time.process_time() - started < 1.0
