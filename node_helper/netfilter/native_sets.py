"""Sets and maps of nf_tables as `nft list` prints them (NFT_MSG_GETSET, NFT_MSG_GETSETELEM; linux/netfilter/nf_tables.h)."""

from __future__ import annotations

import bisect
import ipaddress
import struct
from dataclasses import dataclass
from typing import Mapping, Optional, Sequence

from node_helper.netfilter import native_types
from node_helper.netfilter.attributes import attributes, number, pieces
from node_helper.netfilter.records import Element
from node_helper.netfilter.xt_words import Undecodable, text

_U64 = struct.Struct(">Q")
ANONYMOUS, INTERVAL, _IS_MAP = 0x1, 0x4, 0x8
_INTERVAL_END, CATCH_ALL = 0x1, 0x2
_FLAGS, _TIMEOUT, _DATA, _VERDICT = 3, 11, 2, 2  # attributes that need not be there
_ALL_OTHERS = "*"
_VERDICTS = {1: "accept", 0: "drop", 0xFFFFFFFB: "return", 0xFFFFFFFF: "continue"}
_JUMPS = {0xFFFFFFFD: "jump", 0xFFFFFFFC: "goto"}


@dataclass(frozen=True)
class Head:
    """What a set is: types of key and value (none for sets), flags, seconds after which elements are forgotten."""

    name: str
    keys: tuple[str, ...]
    values: tuple[str, ...]
    flags: int
    timeout: Optional[int] = None

    @property
    def type(self) -> str:
        """As `nft list` prints it."""
        return " . ".join(self.keys) + (f" : {' . '.join(self.values)}" if self.values else "")


@dataclass(frozen=True)
class Raw:
    """One element as the kernel hands it out; without a key it is for all keys that no other has."""

    key: bytes
    value: Optional[bytes]
    verdict: str
    ends: bool


def head(found: Mapping[int, bytes]) -> Head:
    """Of one NFT_MSG_NEWSET. Raises `Undecodable`."""
    try:
        flags = number(found[_FLAGS]) if _FLAGS in found else 0
        kinds = native_types.names(number(found[6])) if flags & _IS_MAP else ()
        timeout = _U64.unpack(found[_TIMEOUT])[0] // 1000 if _TIMEOUT in found else None
        return Head(text(found[2]), native_types.names(number(found[4])), kinds, flags, timeout)
    except (KeyError, struct.error) as e:
        raise Undecodable("a set") from e


def raw_elements(listed: bytes) -> list[Raw]:
    """Of the list NFTA_SET_ELEM_LIST_ELEMENTS. Raises `Undecodable` and `Malformed`."""
    return [_raw(attributes(piece)) for piece in pieces(listed)]


def elements(kind: Head, found: Sequence[Raw]) -> tuple[Element, ...]:
    """As text, in the kernel's order; intervals sorted. Raises `Undecodable`."""
    if not found:
        return ()
    if kind.flags & INTERVAL:
        return tuple(Element(key) for key in _intervals(kind, found))
    return tuple(Element(_key(kind, one), _value(kind, one)) for one in found)


def verdict(data: bytes) -> str:
    """Of NFTA_DATA_VERDICT. Raises `Undecodable`."""
    found = attributes(data)
    code = number(found.get(1, b"\0\0\0\0"))
    if code in _JUMPS:
        return f"{_JUMPS[code]} {text(found.get(2, b''))}"
    if code not in _VERDICTS:
        raise Undecodable("a verdict")
    return _VERDICTS[code]


def _raw(found: Mapping[int, bytes]) -> Raw:
    try:
        data = attributes(found[_DATA]) if _DATA in found else {}
        flags = number(found[_FLAGS]) if _FLAGS in found else 0
        key = b"" if flags & CATCH_ALL else attributes(found[1])[1]
        return Raw(key, data.get(1), verdict(data[_VERDICT]) if _VERDICT in data else "", bool(flags & _INTERVAL_END))
    except (KeyError, struct.error) as e:
        raise Undecodable("an element of a set") from e


def _key(kind: Head, one: Raw) -> str:
    return native_types.values(kind.keys, one.key) if one.key else _ALL_OTHERS


def _value(kind: Head, one: Raw) -> str:
    if one.verdict or not kind.values:
        return one.verdict
    if one.value is None:
        raise Undecodable("an element without its value")
    return native_types.values(kind.values, one.value)


def _intervals(kind: Head, found: Sequence[Raw]) -> list[str]:
    """Starts and ends as networks or ranges. Only single addresses are known here."""
    if kind.values or kind.keys not in (("ipv4_addr",), ("ipv6_addr",)):
        raise Undecodable("an interval of another kind")
    size = max(len(one.key) for one in found)
    starts = sorted(int.from_bytes(one.key, "big") for one in found if one.key and not one.ends)
    ends = sorted(int.from_bytes(one.key, "big") for one in found if one.ends)
    said = []
    for start in starts:
        after = bisect.bisect_right(ends, start)
        end = (ends[after] if after < len(ends) else 1 << 8 * size) - 1
        first, last = _address(start, size), _address(end, size)
        networks = list(ipaddress.summarize_address_range(first, last))
        if len(networks) > 1:
            said.append(f"{first}-{last}")
        else:
            said.append(str(networks[0]) if start != end else str(first))
    return [*said, *(_ALL_OTHERS for one in found if not one.key)]


def _address(value: int, size: int) -> ipaddress.IPv4Address:
    """IPv6 addresses are told apart by their size; the type checker need not know."""
    found: ipaddress.IPv4Address = (
        ipaddress.IPv4Address(value) if size == 4 else ipaddress.IPv6Address(value)  # type: ignore[assignment]  # noqa: PLR2004  # of one kind where it is used
    )
    return found
