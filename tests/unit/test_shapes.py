"""Reading attributes where a message like it had them gives what reading them one by one gives."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_helper.linux.netlink import Malformed, attributes
from node_helper.linux.shapes import Shapes

ONLY = (1, 3, 7)
ATTRIBUTES = st.lists(st.tuples(st.integers(0, 8), st.binary(max_size=9)), max_size=8)


def message(parts: list[tuple[int, bytes]], tail: bytes = b"") -> bytes:
    padded = (struct.pack("=HH", 4 + len(v), k) + v + bytes(-len(v) % 4) for k, v in parts)
    return b"head" + b"".join(padded) + tail


@given(st.lists(st.tuples(ATTRIBUTES, st.sampled_from((b"", b"x", b"\0\0\0"))), max_size=6))
def test_every_message_is_read_as_one_by_one_whatever_was_read_before(them: list[tuple[list[tuple[int, bytes]], bytes]]) -> None:
    shapes = Shapes(4, ONLY)
    for body in [message(*one) for one in them] * 2:
        assert shapes.attributes(body) == {k: v for k, v in attributes(body, 4).items() if k in ONLY}


def test_a_message_as_long_as_another_with_its_attributes_elsewhere_is_not_read_as_that_one() -> None:
    shapes = Shapes(4, ONLY)
    shapes.attributes(message([(1, b"long"), (3, b"s")]))
    assert shapes.attributes(message([(3, b"long"), (1, b"s")])) == {3: b"long", 1: b"s"}
    assert shapes.attributes(message([(1, b"s"), (3, b"long")])) == {1: b"s", 3: b"long"}


@given(ATTRIBUTES.filter(bool), st.integers(0, 200), st.integers(0, 255))
def test_a_flipped_byte_is_malformed_here_where_it_is_there(parts: list[tuple[int, bytes]], at: int, byte: int) -> None:
    body, shapes = message(parts), Shapes(4, ONLY)
    shapes.attributes(body)
    changed = bytearray(body)
    changed[at % len(body)] = byte
    try:
        told = {k: v for k, v in attributes(bytes(changed), 4).items() if k in ONLY}
    except Malformed:
        with pytest.raises(Malformed):
            shapes.attributes(bytes(changed))
    else:
        assert shapes.attributes(bytes(changed)) == told
