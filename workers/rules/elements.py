"""Which element of an nftables set or map holds what a packet has: its own key, a network, a range, or the one for all others."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable, Iterator

from node_helper.netfilter.records import Element
from workers.rules.steps import Unread

_WORD = r"[\w.:]+"
_PLAIN = re.compile(rf"{_WORD}(?: \. {_WORD})*")
_ALL_OTHERS = "*"


class Elements:
    """Those of one set or map. Plain keys are found at once; whatever else is there is gone through."""

    def __init__(self, elements: Iterable[Element]) -> None:
        self._known = {element.key: element for element in elements}
        self._wide = [element for element in self._known.values() if not _PLAIN.fullmatch(element.key)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def find(self, key: str) -> Element | Unread | None:
        """The element for a key; None where there is none, `Unread` where one that is not understood may be it."""
        if key in self._known:
            return self._known[key]
        held = {element.key: holds(element.key, key) for element in self._wide if element.key != _ALL_OTHERS}
        found = [said for said, held_by in held.items() if held_by]
        unread = [said for said, held_by in held.items() if held_by is None]
        if found or not unread:
            return self._known.get(found[0] if found else _ALL_OTHERS)
        return Unread(unread[0])


def holds(key: str, asked: str) -> bool | None:
    """Whether an element is for what a packet has, both as `nft list` prints them; None where this is not understood."""
    if key in (asked, _ALL_OTHERS):
        return True
    parts, fields = key.split(" . "), asked.split(" . ")
    if len(parts) != len(fields):
        return None
    each = [_part(part, field) for part, field in zip(parts, fields, strict=True)]
    return False if False in each else None if None in each else True


def may_hold(key: str, asked: Collection[str]) -> bool:
    """Whether an element is, or could be, for one of these."""
    return key in asked or (not _PLAIN.fullmatch(key) and any(holds(key, each) is not False for each in asked))


def _part(part: str, field: str) -> bool | None:
    """Of one field of a concatenation."""
    if part == field:
        return True
    try:
        if "/" in part:
            return ipaddress.ip_address(field) in ipaddress.ip_network(part, strict=False)
        low, dash, high = part.partition("-")
        if dash:
            return _within(field, low, high)
    except ValueError:
        return None
    return False if _PLAIN.fullmatch(part) else None


def _within(field: str, low: str, high: str) -> bool:
    """Of numbers, or of addresses of one family. Raises `ValueError`."""
    if field.isdecimal():
        return int(low) <= int(field) <= int(high)
    first, found, last = (ipaddress.ip_address(said) for said in (low, field, high))
    if first.version != last.version:
        raise ValueError
    return first.version == found.version and int(first) <= int(found) <= int(last)
