"""Checking embeddings together against checking each."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiredb.domain.errors import ValidationFailed
from quiredb.domain.metric import Metric
from quiredb.engine.embeddings import are_sound, check_embedding

DIMENSION = 3
COMPONENT = st.sampled_from([0.0, -0.0, 1.0, -2.5, 1e-45, 3e38, float("inf"), float("-inf"), float("nan")])
GOOD = st.lists(st.sampled_from([0.5, 1.0]), min_size=DIMENSION, max_size=DIMENSION)
ANY = st.lists(COMPONENT, min_size=DIMENSION - 1, max_size=DIMENSION + 1)


def _passes(embedding: bytes, metric: Metric) -> bool:
    try:
        return check_embedding(embedding, DIMENSION, metric, "") == embedding
    except ValidationFailed:
        return False


@given(st.lists(GOOD, max_size=3), ANY, st.lists(GOOD, max_size=3), st.sampled_from(Metric))
def test_all_are_sound_when_each_is(
    before: list[list[float]], one: list[float], after: list[list[float]], metric: Metric
) -> None:
    embeddings = [np.array(vector, "<f4").tobytes() for vector in [*before, one, *after]]
    expected = all(_passes(embedding, metric) for embedding in embeddings)
    assert are_sound(embeddings, DIMENSION, metric) == expected


@pytest.mark.parametrize("metric", Metric)
def test_none_are_sound(metric: Metric) -> None:
    assert are_sound([], DIMENSION, metric)


def test_bytes_that_are_no_components_are_not_sound() -> None:
    assert not are_sound([b"\x00\x00\x80\x3f" * DIMENSION, b"abc"], DIMENSION, Metric.L2)
