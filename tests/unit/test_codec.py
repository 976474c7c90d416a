"""What crosses the wire keeps its shape, other shapes are refused, and equal shapes have equal hashes on every Python."""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass
from typing import Any, Literal, Optional, Union

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_helper import codec


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Inner:
    number: int


@dataclass(frozen=True)
class Outer:
    text: str
    maybe: Optional[Inner]  # noqa: UP045  (written as the helper writes it)
    either: Union[int, str, None]  # noqa: UP007
    word: Literal["a", "b"]
    many: tuple[Inner, ...]
    table: dict[str, float]
    colour: Colour
    again: Optional[Inner] = None  # noqa: UP045


INNER = st.builds(Inner, st.integers())
OUTER = st.builds(
    Outer,
    st.text(),
    st.none() | INNER,
    st.none() | st.integers() | st.text(),
    st.sampled_from(["a", "b"]),
    st.lists(INNER).map(tuple),
    st.dictionaries(st.text(), st.floats(allow_nan=False, allow_infinity=False)),
    st.sampled_from(Colour),
)


@given(OUTER)
def test_a_value_survives_the_wire(value: Outer) -> None:
    assert codec.decode(Outer, json.loads(json.dumps(codec.encode(value)))) == value


GOOD: dict[str, Any] = codec.encode(Outer("t", None, None, "a", (), {}, Colour.RED))


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"text": 1}, "text"),
        ({"maybe": {"number": True}}, "maybe"),
        ({"maybe": {"number": 1.5}}, "maybe"),
        ({"either": []}, "either"),
        ({"word": "c"}, "word"),
        ({"many": {}}, "many"),
        ({"many": [{"number": 1, "more": 2}]}, "many"),
        ({"table": {"a": "b"}}, "table"),
        ({"colour": "green"}, "colour"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_another_shape_is_refused_and_the_place_is_said(change: dict[str, Any], where: str) -> None:
    with pytest.raises(codec.Malformed, match=where):
        codec.decode(Outer, {**GOOD, **change})


def test_a_missing_field_is_refused_unless_it_has_a_default() -> None:
    assert codec.decode(Outer, {k: v for k, v in GOOD.items() if k != "again"}).again is None
    with pytest.raises(codec.Malformed, match="word: missing"):
        codec.decode(Outer, {k: v for k, v in GOOD.items() if k != "word"})


def test_equal_shapes_have_equal_hashes_whatever_python_names_them() -> None:
    # Computed alike by Python 3.9, 3.10, 3.11, 3.12 and 3.13: a worker and a node rarely run the same one.
    assert codec.schema(Outer) == "c7b79710f7c8"
