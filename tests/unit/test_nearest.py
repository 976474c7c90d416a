"""Nearest names: those of difflib, without comparing letter by letter what cannot come in."""

from __future__ import annotations

from difflib import SequenceMatcher, get_close_matches

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.nearest import nearest

NAMES = st.text("abc-1", min_size=1, max_size=12)


@given(NAMES, st.sets(NAMES, max_size=40), st.integers(1, 5))
def test_they_are_those_of_difflib(word: str, known: set[str], shown: int) -> None:
    assert list(nearest(word, known, shown)) == get_close_matches(word, known, shown, 0.5)


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every name that was compared letter by letter."""
    names: list[str] = []
    ratio = SequenceMatcher.ratio

    def counted(matcher: SequenceMatcher[str]) -> float:
        names.append(str(vars(matcher)["a"]))
        return ratio(matcher)

    monkeypatch.setattr(SequenceMatcher, "ratio", counted)
    return names


def test_one_letter_is_found_among_replicas_by_few_comparisons(compared: list[str]) -> None:
    replicas = {f"cart-7c5ddbdf54-{n:05d}" for n in range(3000)}
    assert nearest("crt-7c5ddbdf54-00042", replicas, 1) == ("cart-7c5ddbdf54-00042",)
    assert len(compared) <= 100


def test_names_of_the_same_letters_are_compared_up_to_a_thousand_times(compared: list[str]) -> None:
    bits = (f"{n:012b}" for n in range(3000))
    known = {"b" * 20 + one.translate({48: "a", 49: "b"}) + one.translate({48: "b", 49: "a"}) + "a" * 20 for one in bits}
    nearest("ab" * 32, known, 5)
    assert len(compared) == 1000
