"""Elements of nf_tables' sets as the kernel hands them out: the one for all others is no address, and bounds no other."""

from __future__ import annotations

import pytest

from node_helper.linux.netlink import attribute
from node_helper.netfilter import native_sets
from node_helper.netfilter.xt_words import Undecodable

INTERVALS = native_sets.Head("blocked", ("ipv4_addr",), (), native_sets.INTERVAL)
PLAIN = native_sets.Head("blocked", ("ipv4_addr",), (), 0)
CATCH_ALL = (None, native_sets.CATCH_ALL)
NESTED = 0x8000


def _listed(*elements: tuple[str | None, int]) -> bytes:
    """Each by its key and flags."""
    made = b""
    for key, flags in elements:
        said = b"" if key is None else attribute(1 | NESTED, attribute(1, bytes(map(int, key.split(".")))))
        made += attribute(1 | NESTED, said + attribute(3, flags.to_bytes(4, "big")))
    return made


@pytest.mark.parametrize("at", [0, 1, 2])
def test_the_element_for_all_others_is_a_star(at: int) -> None:
    network: list[tuple[str | None, int]] = [("10.0.0.0", 0), ("11.0.0.0", 1)]
    network.insert(at, CATCH_ALL)
    found = native_sets.elements(INTERVALS, native_sets.raw_elements(_listed(*network)))
    assert [element.key for element in found] == ["10.0.0.0/8", "*"]
    plain = native_sets.elements(PLAIN, native_sets.raw_elements(_listed(CATCH_ALL, ("10.0.0.1", 0))))
    assert [element.key for element in plain] == ["*", "10.0.0.1"]


def test_an_element_without_its_key_is_not_read() -> None:
    with pytest.raises(Undecodable):
        native_sets.raw_elements(_listed((None, 0)))
