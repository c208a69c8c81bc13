"""JSON without surprises: one meaning, bounded cost.

Refused as malformed (400): anything but UTF-8, a byte order mark, NaN and Infinity, duplicate keys, more than
`DEPTH_MAX` levels. Refused as impossible (422): lone surrogates. Numbers too large for a float64 become infinite
and are judged where they stand.

orjson parses; what it lets pass is found by looking at the bytes outside strings, at C speed and before the
parse, so that hostile nesting is never built.
"""

import json
import re
from collections.abc import Iterator
from itertools import chain
from typing import Any, NoReturn

import numpy as np
import orjson

from quiredb.api.errors import MalformedJson
from quiredb.domain.errors import TooLarge, ValidationFailed

DEPTH_MAX = 32
QUOTES_MAX = 4_000_000
STRUCTURE_MAX = 4_000_000
_STRUCTURE = b"{}[]:"
_NEITHER_QUOTE_NOR_STRUCTURE = bytes(set(range(256)) - set(_STRUCTURE) - {ord('"')})
_INTEGER_DIGITS_MAX = 18
_CONTAINERS = frozenset({dict, list})
_STEPS = np.zeros(256, dtype=np.int32)
_STEPS[list(b"{[")] = 1
_STEPS[list(b"}]")] = -1
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_SECOND_LOOK = ("surrogate in string", "number is infinity")


def decode(raw: bytes) -> Any:
    """The value of a JSON text.

    Raises:
        MalformedJson: it is not strict JSON.
        TooLarge: it has more strings, objects and arrays than any request of this API.
        ValidationFailed: a string holds half a surrogate pair.
    """
    structure = _structure(raw)
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        value = _decode_slowly(raw, error)
    written = structure.count(b":")
    if not _has_members(value, written):
        raise MalformedJson("An object has the same key twice.")
    return value


def decode_object(raw: bytes) -> dict[str, Any]:
    """The object that a JSON text holds.

    Raises:
        ValidationFailed: it is another value; and what `decode` raises.
    """
    value = decode(raw)
    if isinstance(value, dict):
        return value
    raise ValidationFailed.at("", "object", "Send a JSON object.")


def _structure(raw: bytes) -> bytes:
    """The braces, brackets and colons outside strings.

    Once all other characters are gone, two quotes side by side enclose or separate nothing, so both may go.
    """
    if len(raw) > QUOTES_MAX and raw.count(b'"') > QUOTES_MAX:
        raise TooLarge(f"A body holds at most {QUOTES_MAX // 2} strings.")
    unescaped = raw.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in raw else raw
    quoted = unescaped.translate(None, _NEITHER_QUOTE_NOR_STRUCTURE).replace(b'""', b"")
    structure = b"".join(quoted.split(b'"')[::2])
    if len(structure) > DEPTH_MAX and _depth(structure[:STRUCTURE_MAX]) > DEPTH_MAX:
        raise MalformedJson(f"Arrays and objects nest at most {DEPTH_MAX} deep.")
    if len(structure) > STRUCTURE_MAX:
        raise TooLarge(f"A body has at most {STRUCTURE_MAX // 2} objects and arrays.")
    return structure


def _depth(structure: bytes) -> int:
    steps = _STEPS[np.frombuffer(structure, dtype=np.uint8)]
    return int(np.cumsum(steps).max())


def _has_members(value: object, count: int) -> bool:
    """Whether the objects of a tree have so many members, which are never more: the places easily looked at first."""
    return (
        count == _shallow_members(value)
        or count == _members(value, every_item=False)
        or count == _members(value, every_item=True)
    )


def _shallow_members(value: object) -> int:
    """The members of an object and of the objects right in it, which are all that most requests have."""
    if value.__class__ is not dict:
        return 0
    return len(value) + sum([len(child) for child in value.values() if child.__class__ is dict])


def _members(value: object, *, every_item: bool) -> int:
    """How many object members a tree has, level by level.

    Lists that begin with a scalar (vectors) are skipped unless `every_item`.
    """
    count = 0
    level = [value]
    while level:
        objects = [node for node in level if node.__class__ is dict]
        arrays = [
            node
            for node in level
            if node.__class__ is list and node and (every_item or node[0].__class__ in _CONTAINERS)
        ]
        count += sum(map(len, objects))
        children = chain(chain.from_iterable(map(dict.values, objects)), chain.from_iterable(arrays))
        level = [child for child in children if child.__class__ in _CONTAINERS]
    return count


def _decode_slowly(raw: bytes, error: orjson.JSONDecodeError) -> Any:
    """What orjson refuses for the sake of one value: tell impossible values from malformed text."""
    if not any(sign in error.msg for sign in _SECOND_LOOK):
        raise _malformed(error) from None
    try:
        value = json.loads(raw.decode(), parse_constant=_refuse_constant, parse_int=_integer)
    except json.JSONDecodeError as second:
        raise _malformed(second) from None
    for pointer, text in _strings(value, "") if _SURROGATE.search(raw) else ():
        if _has_surrogate(text):
            raise ValidationFailed.at(pointer, "surrogate", "A string holds half a surrogate pair.")
    return value


def _malformed(error: json.JSONDecodeError) -> MalformedJson:
    reason = error.msg.split(":")[0]
    place = f"column {error.colno}" if error.lineno == 1 else f"line {error.lineno} column {error.colno}"
    return MalformedJson(f"This is not JSON in UTF-8: {reason}, at {place}.")


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedJson(f"{name} is not JSON.")


def _integer(digits: str) -> int | float:
    """An integer, or a float where Python would spend long on the digits."""
    return int(digits) if len(digits) <= _INTEGER_DIGITS_MAX else float(digits)


def _has_surrogate(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)


def _strings(value: object, pointer: str) -> Iterator[tuple[str, str]]:
    """Every string of a tree with the place to blame: for a key, its object."""
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _strings(item, f"{pointer}/{index}")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield pointer, key
            yield from _strings(item, pointer if _has_surrogate(key) else f"{pointer}/{key}")
