"""Tables, chains, rules and sets of nf_tables in the calling thread's namespace (linux/netfilter/nf_tables.h).

Rules are asked for by table and chain: one question for all of them makes the kernel walk every chain for every datagram.
"""

from __future__ import annotations

import errno
import struct
from typing import Mapping, Optional

from node_helper.linux import nfnetlink
from node_helper.linux.netlink import Netlink, attribute, attributes
from node_helper.netfilter.attributes import number
from node_helper.netfilter.native_sets import CATCH_ALL, Head, Raw, head, raw_elements
from node_helper.netfilter.records import Chain
from node_helper.netfilter.xt_words import Undecodable, text

FAMILIES = {"ip": 2, "ip6": 10}
_GET_TABLE, _GET_CHAIN, _GET_RULE, _GET_SET, _GET_ELEMENT, _GET_GENERATION = 1, 4, 7, 10, 13, 16
_NESTED = 0x8000
_POLICY, _COUNTERS = 5, 8  # NFTA_CHAIN_*
_HOOK, _TYPE = 4, 7
_HOOKS = ("prerouting", "input", "forward", "output", "postrouting")  # NF_INET_*
_DORMANT = 0x1  # NFT_TABLE_F_DORMANT
_POLICIES = {0: "DROP", 1: "ACCEPT"}
_ABSENT = frozenset({errno.ENOENT})
_U64 = struct.Struct(">Q")


class Tables:
    """Questions about the tables of one family ("ip" or "ip6"). `hooks`: base chains say on which they hang, as nft does."""

    def __init__(self, netlink: Netlink, family: str, *, hooks: bool = False) -> None:
        self._netlink = netlink
        self.family = FAMILIES[family]
        self._head = nfnetlink.head(self.family)
        self._hooks = hooks

    def generation(self) -> int:
        """The number of the ruleset: it changes with every change (NFT_MSG_GETGEN)."""
        found = self._netlink.get(_kind(_GET_GENERATION), nfnetlink.head(0))
        return number(_attributes(found)[1])

    def names(self) -> tuple[str, ...]:
        """Every table."""
        return tuple(text(_attributes(found)[1]) for found in self._netlink.dump(_kind(_GET_TABLE), self._head))

    def dormant(self, table: str) -> bool:
        """Whether the kernel has taken the table's chains off their hooks."""
        found = self._get(_GET_TABLE, _text(1, table))
        return found is not None and bool(number(_attributes(found).get(2, bytes(4))) & _DORMANT)

    def chains(self, table: str) -> list[Chain]:
        """Every chain of a table, without its rules, in the order of their creation."""
        every = (_attributes(found) for found in self._netlink.dump(_kind(_GET_CHAIN), self._head))
        return [self._chain(found) for found in every if text(found[1]) == table]

    def chain(self, table: str, name: str) -> Optional[Chain]:
        """One chain, without its rules; None where there is none."""
        found = self._get(_GET_CHAIN, _text(1, table) + _text(3, name))
        return None if found is None else self._chain(_attributes(found))

    def used(self, table: str, chain: str) -> int:
        """How many rules a chain has and how many lead to it (NFTA_CHAIN_USE); 0 where there is none."""
        found = self._get(_GET_CHAIN, _text(1, table) + _text(3, chain))
        return 0 if found is None else number(_attributes(found).get(6, bytes(4)))

    def rules(self, table: str, chain: str) -> list[bytes]:
        """The attributes of each rule of a chain, as bytes."""
        body = self._head + _text(1, table) + _text(2, chain)
        return [found[nfnetlink.HEAD_SIZE :] for found in self._netlink.dump(_kind(_GET_RULE), body)]

    def sets(self, table: str) -> list[Head]:
        """Every set and map of a table; those whose type is not known are left out."""
        found = []
        for body in self._netlink.dump(_kind(_GET_SET), self._head + _text(1, table)):
            try:
                found.append(head(_attributes(body)))
            except Undecodable:
                continue
        return found

    def set(self, table: str, name: str) -> Optional[Head]:
        """One set; None where there is none. Raises `Undecodable`."""
        found = self._get(_GET_SET, _text(1, table) + _text(2, name))
        return None if found is None else head(_attributes(found))

    def elements(self, table: str, name: str) -> list[Raw]:
        """Every element of a set. Raises `Undecodable`."""
        body = self._head + _text(1, table) + _text(2, name)
        answers = self._netlink.dump(_kind(_GET_ELEMENT), body)
        return [one for answer in answers for one in raw_elements(_attributes(answer).get(3, b""))]

    def element(self, table: str, name: str, key: bytes) -> Optional[Raw]:
        """The element that the kernel finds for a key; None where it finds none. Raises `Undecodable`."""
        return self._element(table, name, attribute(1 | _NESTED, attribute(1, key)), _ABSENT)

    def catch_all(self, table: str, name: str) -> Optional[Raw]:
        """The element for all keys that no other has; None where there is none, as before Linux 5.13."""
        return self._element(table, name, attribute(3, CATCH_ALL.to_bytes(4, "big")), _ABSENT | {errno.EINVAL, errno.EOPNOTSUPP})

    def _element(self, table: str, name: str, said: bytes, absent: frozenset[int]) -> Optional[Raw]:
        wanted = attribute(3 | _NESTED, attribute(1 | _NESTED, said))
        found = self._get(_GET_ELEMENT, _text(1, table) + _text(2, name) + wanted, absent)
        return None if found is None else raw_elements(_attributes(found).get(3, b""))[0]

    def _get(self, message: int, body: bytes, absent: frozenset[int] = _ABSENT) -> Optional[bytes]:
        try:
            return self._netlink.get(_kind(message), self._head + body)
        except OSError as e:
            if e.errno not in absent:
                raise
            return None

    def _chain(self, found: Mapping[int, bytes]) -> Chain:
        policy = _POLICIES.get(number(found[_POLICY]), "") if _POLICY in found else ""
        counted = attributes(found[_COUNTERS]) if _COUNTERS in found else {}
        packets, size = (_U64.unpack(counted[kind])[0] if kind in counted else None for kind in (2, 1))
        return Chain(text(found[3]), (), policy, _hook(found, policy) if self._hooks else "", packets=packets, bytes=size)


def _kind(message: int) -> int:
    return nfnetlink.kind(nfnetlink.NFTABLES, message)


def _attributes(body: bytes) -> dict[int, bytes]:
    return attributes(body, nfnetlink.HEAD_SIZE)


def _text(kind: int, said: str) -> bytes:
    return attribute(kind, said.encode() + b"\0")


def _hook(found: Mapping[int, bytes], policy: str) -> str:
    """As nft prints it, with its priority as a number; "" where the chain hangs on none that is known."""
    said = attributes(found[_HOOK]) if _HOOK in found else {}
    place = number(said.get(1, b"\xff" * 4))
    if place >= len(_HOOKS) or 2 not in said:  # noqa: PLR2004  (NFTA_HOOK_PRIORITY)
        return ""
    kind, priority = text(found.get(_TYPE, b"filter\0")), struct.unpack(">i", said[2])[0]
    return f"type {kind} hook {_HOOKS[place]} priority {priority}; policy {policy.lower()};"
