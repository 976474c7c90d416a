"""`make fuzz` tries each property as often as it is told to, and notices what does not end."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import settings

from tests import examples


def test_no_property_bounds_what_is_asked_of_make_fuzz() -> None:
    """Its number of examples and its deadline are the profile's."""
    sources = [path for path in Path(__file__).parents[1].rglob("*.py") if path.name not in ("examples.py", Path(__file__).name)]
    assert [path.name for path in sources if re.search(r"max_examples=|deadline=", path.read_text())] == []


@pytest.mark.parametrize(("profile", "tried"), [("netcheck", 7), ("fuzz", settings.get_profile("fuzz").max_examples)])
def test_a_costly_property_is_tried_less_in_make_test_alone(profile: str, tried: int) -> None:
    before = settings.get_current_profile_name()
    try:
        settings.load_profile(profile)
        assert examples.few(7).max_examples == tried
    finally:
        settings.load_profile(before)


def test_an_example_that_does_not_end_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def hanging() -> None:
        while True:
            pass

    monkeypatch.setattr(examples, "HANGING_SECONDS", 0.01)
    with pytest.raises(examples.Hang):
        examples.ended(hanging)()
