"""The string dictionary against sorted Python strings."""

from __future__ import annotations

from bisect import bisect_left

from hypothesis import given
from hypothesis import strategies as st

from quiredb.engine.strings import StringDictionary
from tests.property.filters import words

texts = st.lists(words | st.text(max_size=5), max_size=30)


@given(texts)
def test_codes_follow_code_point_order(strings: list[str]) -> None:
    dictionary, expected = StringDictionary.of(strings), sorted(set(strings))
    assert len(dictionary) == len(expected)
    assert [dictionary[code] for code in range(len(dictionary))] == expected
    assert dictionary.codes_of(strings) == {text: code for code, text in enumerate(expected)}


@given(texts, words | st.text(max_size=5))
def test_questions_to_all_strings_at_once(strings: list[str], asked: str) -> None:
    dictionary, expected = StringDictionary.of(strings), sorted(set(strings))
    folded = asked.casefold()
    assert dictionary.lower_bound(asked) == bisect_left(expected, asked)
    assert dictionary.code_of(asked) == (expected.index(asked) if asked in expected else -1)
    assert dictionary.containing(asked).tolist() == [asked in text for text in expected]
    assert dictionary.folded_containing(asked).tolist() == [folded in text.casefold() for text in expected]
    assert dictionary.folded_equal(asked).tolist() == [folded == text.casefold() for text in expected]
    assert dictionary.starting_with(asked).tolist() == [text.startswith(asked) for text in expected]
    assert dictionary.ending_with(asked).tolist() == [text.endswith(asked) for text in expected]


def test_astral_characters_sort_after_the_basic_plane() -> None:
    """Not as in UTF-16, where they would sort before U+FFFF."""
    dictionary = StringDictionary.of(["\U00010000", "\uffff", "z"])
    assert [dictionary[code] for code in range(3)] == ["z", "\uffff", "\U00010000"]


def test_a_needle_across_two_strings_is_in_neither() -> None:
    dictionary = StringDictionary.of(["ab", "bc", "abbc"])
    assert dictionary.containing("bb").tolist() == [False, True, False]


def test_it_says_its_size() -> None:
    assert StringDictionary.of(["ab", "c"]).nbytes == 3 + 3 * 8
