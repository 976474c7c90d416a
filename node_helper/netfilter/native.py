"""Rules of kube-proxy's nftables mode, from the expressions of nf_tables to the line that `nft list` prints.

Registers are followed as the kernel fills them (linux/netfilter/nf_tables.h; nft, netlink_delinearize.c). Whatever kube-proxy
does not write is named as unread, and never left out silently.
"""

from __future__ import annotations

import struct
from typing import Callable, Mapping, Optional

from node_helper.netfilter import native_types
from node_helper.netfilter.attributes import Malformed, attributes, number, pieces
from node_helper.netfilter.native_sets import verdict
from node_helper.netfilter.records import Element, Rule
from node_helper.netfilter.xt_words import PROTOCOLS, Undecodable, address, network, text

Elements = Callable[[str], tuple[Element, ...]]
"""The elements of a set without a name of its own; sorted where they are numbered."""

_U64 = struct.Struct(">Q")
_IPV4 = 2
_FIRST_SMALL_REGISTER = 8
_ADDRESSES = {
    _IPV4: {12: "ip saddr", 16: "ip daddr"},
    10: {8: "ip6 saddr", 24: "ip6 daddr"},
}
_META = {3: "meta mark", 16: "meta l4proto"}
_CT = {0: "ct state", 2: "ct status"}
_CT_BITS = {
    "ct state": {1: "invalid", 2: "established", 4: "related", 8: "new", 64: "untracked"},
    "ct status": {16: "snat", 32: "dnat"},
}
_FIB = {(1, 3): "fib saddr type", (2, 3): "fib daddr type"}
_ADDRESS_KINDS = {1: "unicast", 2: "local", 3: "broadcast"}
_NAT_DESTINATION = 1
_RANDOM, _FULLY, _PERSISTENT = 4, 16, 8
# Attributes that need not be there: NFTA_META_SREG, NFTA_NG_OFFSET, NFTA_BITWISE_OP, NFTA_LOOKUP_DREG and so on.
_META_SETS, _OFFSET, _BITWISE_OP, _RESULT, _LOOKUP_FLAGS, _VERDICT, _NAT_PORT, _NAT_FLAGS, _REJECT_CODE = (
    3,
    4,
    6,
    3,
    5,
    2,
    5,
    7,
    2,
)
_WITH_PORTS = frozenset({"tcp", "udp", "udplite", "sctp", "dccp"})
_CT_DIRECTION = 3
_DYNSET_TIMEOUT, _DYNSET_FLAGS = 6, 9
_DYNSET_READ = {1, 2, 3, 4, _DYNSET_TIMEOUT, 8, _DYNSET_FLAGS}  # name, id, operation, key; 8 is padding
_NAT_LAST_ADDRESS, _NAT_LAST_PORT, _NAT_SPECIFIED = 4, 6, 3
_WIDTHS = {"l4proto": 1, "dport": 2, "sport": 2, "type": 4}
"""Of what is compared, by the last word of its name, where that says it: bytes."""
_MASKED = ("ct ", "ip saddr", "ip daddr", "ip6 saddr", "ip6 daddr")
"""What may be compared under a mask in words of ours; a mark has its own."""
_REJECTS = {(_IPV4, 0, 3), (10, 0, 4)}


def rule(family: int, found: Mapping[int, bytes], elements: Elements) -> Rule:
    """The rule of one NFT_MSG_NEWRULE. Raises `Malformed` for what is no list of expressions."""
    machine = _Machine(family, elements)
    for piece in pieces(found.get(4, b"")):
        expression = attributes(piece)
        name = text(expression.get(1, b""))
        try:
            machine.do(name, attributes(expression.get(2, b"")))
        except (Undecodable, KeyError, IndexError, struct.error, ValueError) as e:
            if isinstance(e, Malformed):
                raise
            machine.unread.append(name)
    comment = _comment(found.get(7, b""))
    words = [*machine.words, *([f'comment "{comment}"'] if comment else [])]
    packets, size = machine.counted
    return Rule(" ".join(words), packets, size, tuple(machine.unread))


def _comment(data: bytes) -> str:
    """NFTNL_UDATA_RULE_COMMENT of the data that nft keeps with a rule: type, length, value."""
    at = 0
    while at + 2 <= len(data):
        kind, length = data[at], data[at + 1]
        if kind == 0:
            return text(data[at + 2 : at + 2 + length])
        at += 2 + length
    return ""


class _Machine:
    """Registers, as what is in them would be printed."""

    def __init__(self, family: int, elements: Elements) -> None:
        self.words: list[str] = []
        self.unread: list[str] = []
        self.counted: tuple[Optional[int], Optional[int]] = (None, None)
        self._family = family
        self._elements = elements
        self._protocol = "th"
        self._registers: dict[int, str] = {}
        self._values: dict[int, bytes] = {}
        self._prefixes: dict[int, int] = {}

    def do(self, name: str, found: Mapping[int, bytes]) -> None:
        """One expression. Raises `Undecodable`, and whatever a missing or short attribute raises."""
        act = _ACTS.get(name)
        if act is None:
            raise Undecodable(name)
        act(self, found)

    def meta(self, found: Mapping[int, bytes]) -> None:
        said = _META[number(found[2])]
        if _META_SETS in found:
            self.words.append(f"{said} set {self._take(number(found[3]))}")
        else:
            self._put(found[1], said)

    def payload(self, found: Mapping[int, bytes]) -> None:
        base, offset, length = number(found[2]), number(found[3]), number(found[4])
        if base == 1:
            said = _ADDRESSES[self._family][offset]
            full = 4 if self._family == _IPV4 else 16
            if length != full:
                self._prefixes[_slot(number(found[1]))] = length  # one that ends with a byte needs no mask
        elif (base, offset, length) in ((2, 2, 2), (2, 0, 2)):
            said = f"{self._with_ports()} {'dport' if offset else 'sport'}"
        else:
            raise Undecodable("payload")
        self._put(found[1], said)

    def _with_ports(self) -> str:
        """The protocol whose ports are read; where a rule asks for it just before, nft says so once."""
        asked, _, protocol = self.words[-1].rpartition(" ") if self.words else ("", "", "")
        if asked == "meta l4proto" and protocol in _WITH_PORTS:
            self.words.pop()
            self._protocol = protocol
        return self._protocol

    def ct(self, found: Mapping[int, bytes]) -> None:
        if _CT_DIRECTION in found:
            raise Undecodable("ct")
        self._put(found[1], _CT[number(found[2])])

    def fib(self, found: Mapping[int, bytes]) -> None:
        self._put(found[1], _FIB[number(found[3]), number(found[2])])

    def numgen(self, found: Mapping[int, bytes]) -> None:
        offset = number(found[_OFFSET]) if _OFFSET in found else 0
        kind = {0: "inc", 1: "random"}[number(found[3])]
        self._put(found[1], f"numgen {kind} mod {number(found[2])}" + (f" offset {offset}" if offset else ""))

    def bitwise(self, found: Mapping[int, bytes]) -> None:
        if number(found[1]) != number(found[2]) or (_BITWISE_OP in found and number(found[_BITWISE_OP])):
            raise Undecodable("bitwise")
        mask, flip = attributes(found[4])[1], attributes(found[5])[1]
        if not len(mask) == len(flip) == number(found[3]):
            raise Undecodable("bitwise")
        slot = _slot(number(found[1]))
        said = self._registers[slot]
        if said == "meta mark":
            self._registers[slot] = f"{said} {_mark_change(mask, flip)}"
        elif any(flip) or slot in self._values or slot in self._prefixes or not said.startswith(_MASKED):
            raise Undecodable("bitwise")
        else:
            self._values[slot] = mask

    def cmp(self, found: Mapping[int, bytes]) -> None:
        slot, different = _slot(number(found[1])), number(found[2])
        if different not in (0, 1):
            raise Undecodable("cmp")
        said, mask, value = self._registers.pop(slot), self._values.pop(slot, None), attributes(found[3])[1]
        prefix = self._prefixes.pop(slot, None)
        sign = "!= " if different else ""
        if said.startswith("ct "):
            self.words.append(_bits(said, mask, value, different=bool(different)))
        elif said.startswith("meta mark"):
            masked = "" if said == "meta mark" else sign or "== "
            self.words.append(f"{said} {masked or sign}0x{int.from_bytes(value, 'little'):08x}")
        elif mask is not None and _has_holes(mask):
            self.words.append(f"{said} & {address(mask)} {sign or '== '}{address(value)}")
        else:
            self.words.append(f"{said} {sign}{self._compared(said, mask, prefix, value)}")

    def _compared(self, said: str, mask: Optional[bytes], prefix: Optional[int], value: bytes) -> str:
        if len(value) != _WIDTHS.get(said.rpartition(" ")[2], len(value)):
            raise Undecodable("cmp")
        if said == "meta l4proto":
            return PROTOCOLS.get(value[0], str(value[0]))
        if said.startswith("fib "):
            return _ADDRESS_KINDS[int.from_bytes(value, "little")]
        if said.endswith((" dport", " sport")):
            return str(int.from_bytes(value, "big"))
        full = 4 if self._family == _IPV4 else 16
        if prefix is not None and len(value) == prefix:
            mask, value = (b"\xff" * prefix).ljust(full, b"\0"), value.ljust(full, b"\0")
        return network(value, mask).removesuffix(f"/{full * 8}")

    def lookup(self, found: Mapping[int, bytes]) -> None:
        name, flags = text(found[1]), number(found[_LOOKUP_FLAGS]) if _LOOKUP_FLAGS in found else 0
        if flags & ~1:
            raise Undecodable("lookup")
        key = self._key(number(found[2]))
        said = f"@{name}" if not name.startswith("__") else self._anonymous(name)
        sign = "!= " if flags & 1 else ""
        if _RESULT not in found:
            self.words.append(f"{key} {sign}{said}")
        elif number(found[_RESULT]) == 0:
            self.words.append(f"{key} vmap {said}")
        else:
            self._put(found[3], f"{key} map {said}")

    def _anonymous(self, name: str) -> str:
        pairs = [f"{e.key} : {e.value}" if e.value else e.key for e in self._elements(name)]
        return f"{{ {', '.join(pairs)} }}"

    def immediate(self, found: Mapping[int, bytes]) -> None:
        data = attributes(found[2])
        if (_VERDICT in data) != (number(found[1]) == 0):  # NFT_REG_VERDICT
            raise Undecodable("immediate")
        if _VERDICT in data:
            self.words.append(verdict(data[_VERDICT]))
        else:
            self._values[_slot(number(found[1]))] = data[1]

    def nat(self, found: Mapping[int, bytes]) -> None:
        if number(found[1]) != _NAT_DESTINATION or number(found[2]) != self._family or not _plain_nat(found):
            raise Undecodable("nat")
        place = _slot(number(found[3]))
        if place in self._registers:
            if place in self._values or place in self._prefixes:
                raise Undecodable("nat")
            after = place + (1 if self._family == _IPV4 else 4)
            if _NAT_PORT in found and _slot(number(found[_NAT_PORT])) != after:
                raise Undecodable("nat")
            family = ("ip " if self._family == _IPV4 else "ip6 ") if _NAT_PORT in found else ""
            self.words.append(f"dnat {family}to {self._registers.pop(place)}")
            return
        port = int.from_bytes(self._values.pop(_slot(number(found[_NAT_PORT])))[:2], "big") if _NAT_PORT in found else None
        kind = "ipv4_addr" if self._family == _IPV4 else "ipv6_addr"
        said = native_types.value(kind, self._values.pop(place))
        bracketed = f"[{said}]" if ":" in said and port is not None else said
        self.words.append(f"dnat to {bracketed}" + ("" if port is None else f":{port}"))

    def reject(self, found: Mapping[int, bytes]) -> None:
        if (self._family, number(found[1]), found[_REJECT_CODE][0] if _REJECT_CODE in found else 0) not in _REJECTS:
            raise Undecodable("reject")
        self.words.append("reject")

    def masquerade(self, found: Mapping[int, bytes]) -> None:
        flags = number(found[1]) if 1 in found else 0
        if flags & ~(_RANDOM | _FULLY | _PERSISTENT) or found.keys() - {1}:
            raise Undecodable("masq")
        names = ((_RANDOM, "random"), (_FULLY, "fully-random"), (_PERSISTENT, "persistent"))
        said = ",".join(name for bit, name in names if flags & bit)
        self.words.append(f"masquerade {said}".strip())

    def update(self, found: Mapping[int, bytes]) -> None:
        kind = {0: "add", 1: "update", 2: "delete"}[number(found[3])]
        if found.keys() - _DYNSET_READ or any(any(found.get(one, b"")) for one in (_DYNSET_TIMEOUT, _DYNSET_FLAGS)):
            raise Undecodable("dynset")
        self.words.append(f"{kind} @{text(found[1])} {{ {self._key(number(found[4]))} }}")

    def counter(self, found: Mapping[int, bytes]) -> None:
        self.counted = (_U64.unpack(found[2])[0], _U64.unpack(found[1])[0])
        self.words.append("counter")

    def _put(self, register: bytes, said: str) -> None:
        slot = _slot(number(register))
        self._registers[slot] = said

    def _take(self, register: int) -> str:
        return self._registers.pop(_slot(register))

    def _key(self, register: int) -> str:
        """What lies in a register and those behind it: a concatenation."""
        slots = sorted(slot for slot in self._registers if slot >= _slot(register))
        if not slots or any(slot in self._values or slot in self._prefixes for slot in slots):
            raise Undecodable("a key that is not a plain field")
        said, at = [], _slot(register)
        for slot in slots:
            if slot != at:
                raise Undecodable("a key with a gap")
            said.append(self._registers.pop(slot))
            at += 4 if said[-1].startswith("ip6 ") else 1
        return " . ".join(said)


def _plain_nat(found: Mapping[int, bytes]) -> bool:
    """Whether it is to one address and one port, without an option."""
    one = all(
        found.get(last, found.get(first)) == found.get(first) for first, last in ((3, _NAT_LAST_ADDRESS), (5, _NAT_LAST_PORT))
    )
    return one and not (_NAT_FLAGS in found and number(found[_NAT_FLAGS]) & ~_NAT_SPECIFIED)


def _slot(register: int) -> int:
    """Registers 1 to 4 are 16 bytes each; from 8 on they are counted in 4 bytes (NFT_REG32_00)."""
    return (register - 1) * 4 if register < _FIRST_SMALL_REGISTER else register - _FIRST_SMALL_REGISTER


def _has_holes(mask: bytes) -> bool:
    """Whether it is more than a prefix's."""
    left = ~int.from_bytes(mask, "big") & ((1 << 8 * len(mask)) - 1)
    return bool(left & (left + 1))


def _mark_change(mask: bytes, flip: bytes) -> str:
    """(x & mask) ^ flip, as the operator that it stands for."""
    kept, changed = int.from_bytes(mask, "little"), int.from_bytes(flip, "little")
    everything = 0xFFFFFFFF
    if not changed:
        return f"& 0x{kept:08x}"
    if kept == everything:
        return f"^ 0x{changed:08x}"
    if kept == everything ^ changed:
        return f"| 0x{changed:08x}"
    raise Undecodable("bitwise")


def _bits(said: str, mask: Optional[bytes], value: bytes, *, different: bool) -> str:
    """A comparison of flags with nothing: any of them is set."""
    bits = int.from_bytes(mask or b"", "little")
    names = [name for bit, name in _CT_BITS[said].items() if bits & bit]
    if not different or any(value) or not bits or bits & ~sum(_CT_BITS[said]):
        raise Undecodable("ct")
    return f"{said} {','.join(names)}"


_ACTS: Mapping[str, Callable[[_Machine, Mapping[int, bytes]], None]] = {
    "meta": _Machine.meta, "payload": _Machine.payload, "ct": _Machine.ct, "fib": _Machine.fib, "numgen": _Machine.numgen,
    "bitwise": _Machine.bitwise, "cmp": _Machine.cmp, "lookup": _Machine.lookup, "immediate": _Machine.immediate,
    "nat": _Machine.nat, "reject": _Machine.reject, "masq": _Machine.masquerade, "dynset": _Machine.update,
    "counter": _Machine.counter,
}  # fmt: skip
