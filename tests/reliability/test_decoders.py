"""Decoders refuse or read whatever they are given; the deep form is `python -m reliability.fuzz`."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from quiredb.domain.errors import DataDamaged
from reliability.decoders import DECODERS, Disagreement, examine, samples_of, strict_json

EXAMPLES = 150


def mutated(samples: list[bytes]) -> st.SearchStrategy[bytes]:
    """Samples with a few stretches replaced by other bytes."""
    cuts = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 12), st.binary(max_size=6)), max_size=4)

    def apply(sample: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
        for start, length, other in edits:
            at = start % (len(sample) + 1)
            sample = sample[:at] + other + sample[at + length :]
        return sample

    return st.builds(apply, st.sampled_from(samples), cuts)


@pytest.mark.parametrize("name", DECODERS)
def test_a_decoder_takes_its_samples_and_survives_their_damage(name: str) -> None:
    samples = samples_of(name)
    assert name == "cursor" or all(examine(DECODERS[name], sample) for sample in samples)

    @settings(max_examples=EXAMPLES, deadline=1_000)
    @given(mutated(samples) | st.binary(max_size=64))
    @example(b"")
    def survives(raw: bytes) -> None:
        examine(DECODERS[name], raw)

    survives()


def test_a_lenient_decoder_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reliability.decoders.decode", lambda raw: {"a": 2})
    with pytest.raises(Disagreement, match="same key twice"):
        strict_json(b'{"a": 1, "a": 2}')


def test_an_unexpected_exception_is_not_a_refusal() -> None:
    def fragile(raw: bytes) -> None:
        raise IndexError

    def refusing(raw: bytes) -> None:
        raise DataDamaged("no")

    assert not examine(refusing, b"")
    with pytest.raises(IndexError):
        examine(fragile, b"")
