"""A hostile world at the door takes nothing from an honest client, and learns nothing."""

from __future__ import annotations

import base64
import struct

import pytest

from reliability import door
from reliability.siege.canaries import Canary

CLIENTS = 16
SHORT = {"door.report_every_error"}


@pytest.mark.parametrize("part", door.PARTS)
def test_nothing_is_found(part: str) -> None:
    siege = door.Siege(CLIENTS, seed=1)

    assert list(door.PARTS[part](siege)) == []
    assert siege.counts


@pytest.mark.parametrize("bug", [pytest.param(bug, marks=[pytest.mark.deep] * (bug not in SHORT)) for bug in door.BUGS])
def test_a_planted_bug_is_seen(bug: str) -> None:
    assert door.catch(bug, seed=1) is not None


@pytest.mark.parametrize("before", [b"", b"a", b"ab", b"abc"])
def test_a_secret_is_seen_in_every_form(before: bytes) -> None:
    text, numbers = "a secret, 16 bytes or so", [12345.25, 6.5, -3.0]
    packed = struct.pack("<3f", *numbers)
    for form in (bytes, lambda content: content.hex().encode(), base64.b64encode, base64.urlsafe_b64encode):
        assert Canary.of_text("it", text).is_in(form(before + text.encode() + b"after"))
        assert Canary.of_vector("it", numbers).is_in(form(before + packed + b"after"))
    assert Canary.of_vector("it", numbers).is_in(b'"embedding":[12345.25]')
    assert not Canary.of_text("it", text).is_in(text[:-1].encode())
    assert not Canary.of_vector("it", numbers).is_in(base64.b64encode(before + packed[:-4]))
