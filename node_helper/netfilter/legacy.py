"""A table of legacy iptables as the kernel hands it out in one piece, and the words of its rules (linux/netfilter/x_tables.h).

A chain of the user's begins with an entry whose target is ERROR and holds its name, and ends with its silent RETURN. Jumps are
offsets. So chains are found by looking for those targets, and only the rules that somebody asks for are decoded.
"""

from __future__ import annotations

import re
import socket
import struct
import sys
from collections import deque
from dataclasses import dataclass
from typing import Iterator, Optional, Union

from node_helper.netfilter import xt_matches, xt_targets
from node_helper.netfilter.about import NODE_PORTS, About, leads_to
from node_helper.netfilter.attributes import Malformed
from node_helper.netfilter.records import Chain, Rule
from node_helper.netfilter.xt_words import Undecodable, network, protocol, text

HOOKS = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")
INFO = struct.Struct("=32sI5I5III")  # struct ipt_getinfo: name, valid hooks, entries and ends of hooks, number, size
_HEAD = re.compile(rb"\x40\x00ERROR\x00{25}(.{30})", re.DOTALL)
_HEAD_TARGET = 64
_MATCH = struct.Struct("=H29sB")
_VERDICT = struct.Struct("=i")
_COUNTERS = struct.Struct("=QQ")
_VERDICTS = {-1: "-j DROP", -2: "-j ACCEPT", -4: "-j QUEUE", -5: "-j RETURN"}
_POLICIES = {-1: "DROP", -2: "ACCEPT"}
_NOT_IN, _NOT_OUT, _NOT_TOS = 0x01, 0x02, 0x04
_NOT_SOURCE, _NOT_DESTINATION, _NOT_FRAGMENT, _NOT_PROTOCOL = 0x08, 0x10, 0x20, 0x40
_FRAGMENT, _TOS = 0x01, 0x02  # IPT_F_FRAG, IP6T_F_TOS


@dataclass(frozen=True)
class _Form:
    """Where things are in an entry of one family; `goto` is the flag of rules that do not come back."""

    family: int
    address: int
    size: int
    protocol: int
    flags: int
    inverted: int
    ends: int
    counters: int
    goto: int


_FORMS = {
    socket.AF_INET: _Form(socket.AF_INET, 4, 112, 80, 82, 83, 88, 96, 0x02),
    socket.AF_INET6: _Form(socket.AF_INET6, 16, 168, 128, 131, 132, 140, 152, 0x04),
}
_ENDS = struct.Struct("=HH")


class Blob:
    """The entries of one table, indexed by chain. Every method raises `Malformed` where the entries contradict themselves."""

    def __init__(self, info: bytes, entries: Union[bytes, bytearray], family: int) -> None:
        self._form = _FORMS[socket.AddressFamily(family)]
        self._data = entries
        _, hooks, *rest, _, size = INFO.unpack(info)
        if size != len(entries):
            raise Malformed(f"a table of {size} bytes came with {len(entries)}")
        begins, ends = rest[:5], rest[5:10]
        self._hooks = {name: (begins[at], ends[at]) for at, name in enumerate(HOOKS) if hooks & 1 << at}
        skip = self._form.size
        found = [(m.start() - skip, text(m[1])) for m in _HEAD.finditer(entries)]
        self._starts = {name: at + skip + _HEAD_TARGET for at, name in found if at >= 0 and name != "ERROR"}
        self._names = {at: name for name, at in self._starts.items()}

    def __len__(self) -> int:
        """Bytes."""
        return len(self._data)

    @property
    def names(self) -> list[str]:
        """Every chain, hooks first."""
        return [*self._hooks, *self._starts]

    def chain(self, name: str, about: Optional[About] = None) -> Optional[Chain]:
        """One chain, or of its rules those that could concern some destinations; None where there is none."""
        if name in self._hooks:
            at, end = self._hooks[name]
            policy = _POLICIES.get(self._standard(end), "")
            packets, size = _COUNTERS.unpack_from(self._data, end + self._form.counters)
            return Chain(name, tuple(self._rules(at, end, about)), policy, packets=packets, bytes=size)
        if name not in self._starts:
            return None
        start = self._starts[name]
        return Chain(name, tuple(self._rules(start, self._end(start), about)), packets=0, bytes=0)

    def reach(self, names: tuple[str, ...], about: Optional[About], most: int) -> Optional[list[Chain]]:
        """Named chains, filtered, and those to which they lead: the first of them, or with `about` None where they are more."""
        found: dict[str, Chain] = {}
        left = deque(names)
        while left:
            name = left.popleft()
            chain = None if name in found else self.chain(name, about if name in names else None)
            if chain is not None:
                if len(found) >= most:
                    return list(found.values()) if about is None else None
                found[name] = chain
                left.extend(filter(None, (leads_to(rule.spec) for rule in chain.rules)))
        return list(found.values())

    def _end(self, start: int) -> int:
        """Where a user's chain has its silent RETURN: the last entry before the next chain's head."""
        last = at = start
        while not self._is_head(at):
            last, at = at, at + self._next(at)
        return last

    def _is_head(self, at: int) -> bool:
        target = at + self._target(at)
        return self._data[target + 2 : target + 8] == b"ERROR\0"

    def _rules(self, at: int, end: int, about: Optional[About]) -> Iterator[Rule]:
        while at < end:
            if about is None or self._near(at, about):
                rule = self._rule(at)
                if about is None or about.concerns(rule.spec):
                    yield rule
            at += self._next(at)
        if at != end:
            raise Malformed("a chain does not end where it should")

    def _near(self, at: int, about: About) -> bool:
        """Whether an entry, not decoded, leaves room for a destination, or leads to node ports where some were asked for."""
        if about.to(self._cut(at + self._form.address, at + 4 * self._form.address)):
            return True
        if not about.node_ports:  # mostly: a table lists many thousands of other services
            return False
        place = at + self._target(at) + _MATCH.size
        verdict = int.from_bytes(self._cut(place, place + _VERDICT.size), sys.byteorder)
        return self._names.get(verdict) == NODE_PORTS

    def _cut(self, start: int, end: int) -> bytes:
        return bytes(self._data[start:end])

    def _target(self, at: int) -> int:
        return self._sizes(at)[0]

    def _next(self, at: int) -> int:
        return self._sizes(at)[1]

    def _sizes(self, at: int) -> tuple[int, int]:
        form = self._form
        if at < 0 or at + form.size > len(self._data):
            raise Malformed("an entry lies outside its table")
        target, size = _ENDS.unpack_from(self._data, at + form.ends)
        if target < form.size or size < target + _MATCH.size or at + size > len(self._data):
            raise Malformed("an entry ends outside its table")
        return target, size

    def _standard(self, at: int) -> int:
        value: int = _VERDICT.unpack_from(self._data, at + self._target(at) + _MATCH.size)[0]
        return value

    def _rule(self, at: int) -> Rule:
        form, unread = self._form, list[str]()
        target, size = self._sizes(at)
        words = list(self._head(at, unread))
        here = at + form.size
        while here < at + target:
            length, name, revision = _MATCH.unpack_from(self._data, here)
            if length < _MATCH.size or here + length > at + target:
                raise Malformed("a match ends outside its rule")
            try:
                words.append(xt_matches.words(text(name), revision, self._cut(here + _MATCH.size, here + length), form.family))
            except Undecodable as e:
                unread.append(str(e))
            here += length
        words += self._words_of_target(at, at + target, at + size, unread)
        packets, counted = _COUNTERS.unpack_from(self._data, at + form.counters)
        return Rule(" ".join(words), packets, counted, tuple(unread))

    def _words_of_target(self, at: int, target: int, end: int, unread: list[str]) -> list[str]:
        length, name, revision = _MATCH.unpack_from(self._data, target)
        if length < _MATCH.size or target + length > end:
            raise Malformed("a target ends outside its rule")
        said = text(name)
        if said:
            try:
                return [xt_targets.words(said, revision, self._cut(target + _MATCH.size, target + length), self._form.family)]
            except Undecodable as e:
                unread.append(str(e))
                return []
        verdict = _VERDICT.unpack_from(self._data, target + _MATCH.size)[0]
        return self._jump(at, verdict, end)

    def _jump(self, at: int, verdict: int, end: int) -> list[str]:
        if verdict < 0:
            if verdict not in _VERDICTS:
                raise Malformed(f"verdict {verdict}")
            return [_VERDICTS[verdict]]
        if verdict == end:
            return []  # on to the next rule: a rule without a target
        if verdict not in self._names:
            raise Malformed("a jump leads to no chain")
        goes = self._data[at + self._form.flags] & self._form.goto
        return [f"-{'g' if goes else 'j'} {self._names[verdict]}"]

    def _head(self, at: int, unread: list[str]) -> Iterator[str]:
        form, data, size = self._form, self._data, self._form.address
        inverted, flags = data[at + form.inverted], data[at + form.flags]
        parts = [self._cut(at + size * n, at + size * (n + 1)) for n in range(4)]
        for option, value, mask, bit in (("-s", parts[0], parts[2], _NOT_SOURCE), ("-d", parts[1], parts[3], _NOT_DESTINATION)):
            if any(mask) or inverted & bit:
                yield f"{'! ' if inverted & bit else ''}{option} {network(value, mask)}"
        names = at + size * 4
        for option, place, bit in (("-i", 0, _NOT_IN), ("-o", 16, _NOT_OUT)):
            name, mask = (self._cut(names + start, names + start + 16) for start in (place, 32 + place))
            if any(mask):
                yield f"{'! ' if inverted & bit else ''}{option} {text(name)}"
        number = int.from_bytes(data[at + form.protocol : at + form.protocol + 2], "little")
        if number:
            yield f"{'! ' if inverted & _NOT_PROTOCOL else ''}-p {protocol(number)}"
        if form.family == socket.AF_INET and (flags & _FRAGMENT or inverted & _NOT_FRAGMENT):
            yield f"{'! ' if inverted & _NOT_FRAGMENT else ''}-f"
        if inverted & _NOT_TOS or (form.family == socket.AF_INET6 and flags & _TOS):
            unread.append("tos")
