"""Rules that iptables-nft wrote, from the expressions of nf_tables to the words that iptables-nft-save prints.

Most expressions repeat from rule to rule, so what one means is kept by its bytes: a table of a hundred thousand rules has few
(linux/netfilter/nf_tables.h; iptables, nft-shared.c and nft-ruleparse.c).
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass, field
from typing import Callable, Mapping, Optional, Union

from node_helper.netfilter import xt_matches, xt_targets
from node_helper.netfilter.attributes import attributes, number, pieces
from node_helper.netfilter.records import Rule
from node_helper.netfilter.xt_words import Undecodable, network, ports, protocol, text

_U64 = struct.Struct(">Q")
_KEPT = 1 << 16
_EQUAL, _DIFFERENT = 0, 1
_META_MARK, _META_IN, _META_OUT, _META_PROTOCOL = 3, 6, 7, 16
_NETWORK, _TRANSPORT = 1, 2
_META_SETS, _BITWISE_OP = 3, 6  # NFTA_META_SREG, NFTA_BITWISE_OP
_ACCEPT, _DROP, _JUMP, _GOTO, _RETURN = 1, 0, 0xFFFFFFFD, 0xFFFFFFFC, 0xFFFFFFFB
_VERDICTS = {_ACCEPT: "-j ACCEPT", _DROP: "-j DROP", _RETURN: "-j RETURN"}
_SOURCE, _DESTINATION = "-s", "-d"
_OFFSETS: Mapping[tuple[int, int], str] = {
    (socket.AF_INET, 12): _SOURCE, (socket.AF_INET, 16): _DESTINATION,
    (socket.AF_INET6, 8): _SOURCE, (socket.AF_INET6, 24): _DESTINATION,
}  # fmt: skip
_WIDTHS = {_META_PROTOCOL: 1, _META_MARK: 4}
_ORDER = {"-s": 0, "-d": 1, "-i": 2, "-o": 3, "-p": 4}


@dataclass(frozen=True)
class _Said:
    """Words of the rule's end ("match" in order, "target" last)."""

    words: str
    target: bool = False


@dataclass(frozen=True)
class _Load:
    """What comes into the register: meta key, or header, offset and length."""

    meta: int = -1
    base: int = 0
    offset: int = 0
    length: int = 0


@dataclass(frozen=True)
class _Mask:
    mask: bytes


@dataclass(frozen=True)
class _Compare:
    """`upto` for ranges."""

    negated: bool
    value: bytes
    upto: Optional[bytes] = None


@dataclass(frozen=True)
class _Unknown:
    name: str


@dataclass(frozen=True)
class _Count:
    packets: int
    bytes: int


_Piece = Union[_Said, _Load, _Mask, _Compare, _Unknown, _Count]


class Decoder:
    """Rules of one family (AF_INET or AF_INET6); keeps what expressions mean."""

    def __init__(self, family: int) -> None:
        self._family = family
        self._known: dict[bytes, _Piece] = {}

    def rule(self, expressions: bytes) -> Rule:
        """The rule that NFTA_RULE_EXPRESSIONS hold. Raises `Malformed` for what is no list of expressions."""
        making = _Making(self._family)
        for piece in pieces(expressions):
            known = self._known.get(piece)
            if known is None:
                known = _decode(piece, self._family)
                if len(self._known) < _KEPT:
                    self._known[piece] = known
            making.add(known)
        return making.rule()


@dataclass
class _Making:
    """One rule as it is put together; `-p` and addresses come first, whatever their place."""

    family: int
    head: dict[str, str] = field(default_factory=dict)
    body: list[str] = field(default_factory=list)
    target: str = ""
    load: _Load = field(default_factory=_Load)
    mask: Optional[bytes] = None
    unread: list[str] = field(default_factory=list)
    counted: Optional[_Count] = None

    def add(self, piece: _Piece) -> None:
        if isinstance(piece, _Said):
            if piece.target:
                self.target = piece.words
            else:
                self.body.append(piece.words)
        elif isinstance(piece, _Load):
            self.load, self.mask = piece, None
        elif isinstance(piece, _Compare):
            self._compare(piece)
        elif isinstance(piece, _Mask):
            self.mask = piece.mask
        elif isinstance(piece, _Count):
            self.counted = piece
        else:
            self._unknown(piece.name)

    def rule(self) -> Rule:
        head = [self.head[option] for option in sorted(self.head, key=_ORDER.__getitem__)]
        words = " ".join([*head, *self.body, *([self.target] if self.target else [])])
        counted = self.counted or _Count(0, 0)
        return Rule(words, counted.packets, counted.bytes, tuple(self.unread))

    def _compare(self, piece: _Compare) -> None:
        load, invert = self.load, "! " if piece.negated else ""
        try:
            self._refuse_what_has_no_words(piece)
            if load.meta == _META_PROTOCOL:
                self._put("-p", f"{invert}-p {protocol(piece.value[0])}", plain=not piece.negated)
            elif load.meta in (_META_IN, _META_OUT):
                option = "-i" if load.meta == _META_IN else "-o"
                self._put(option, f"{invert}{option} {_interface(piece.value)}")
            elif load.meta == _META_MARK:
                mask = int.from_bytes(self.mask, "little") if self.mask is not None else 0xFFFFFFFF
                said = xt_matches.mark_option(int.from_bytes(piece.value, "little"), mask, inverted=piece.negated)
                self.body.append(f"-m mark{said}")
            elif load.base == _NETWORK:
                self._network(piece, invert)
            elif load.base == _TRANSPORT:
                self._port(piece, invert)
            else:
                self._unknown("a comparison")
        except (Undecodable, IndexError) as e:
            self._unknown(str(e))

    def _refuse_what_has_no_words(self, piece: _Compare) -> None:
        load = self.load
        if load.base != _TRANSPORT and piece.upto is not None:
            raise Undecodable("a range")
        if load.meta in (_META_PROTOCOL, _META_IN, _META_OUT) and self.mask is not None:
            raise Undecodable("a masked comparison")
        if len(piece.value) != _WIDTHS.get(load.meta, len(piece.value)):
            raise Undecodable("a comparison")

    def _put(self, option: str, words: str, *, plain: bool = True) -> None:
        """Said once; a second of its kind is nothing that iptables writes."""
        if option in self.head and (self.head[option] != words or not plain):
            raise Undecodable(f"two of {option}")
        self.head[option] = words

    def _network(self, piece: _Compare, invert: str) -> None:
        full = 4 if self.family == socket.AF_INET else 16
        option = _OFFSETS.get((self.family, self.load.offset))
        if option is None or len(piece.value) != self.load.length:
            raise Undecodable("a part of the IP header")
        value = piece.value.ljust(full, b"\0")
        mask = self.mask if self.mask is not None else (b"\xff" * self.load.length).ljust(full, b"\0")
        self._put(option, f"{invert}{option} {network(value, mask)}")

    def _port(self, piece: _Compare, invert: str) -> None:
        name = self.head.get("-p", "").rpartition(" ")[2]
        option = {0: "--sport", 2: "--dport"}.get(self.load.offset)
        if len(piece.value) != 2 or len(piece.upto or piece.value) != 2:  # noqa: PLR2004  (a port)
            raise Undecodable("a comparison")
        if name not in ("tcp", "udp", "sctp") or option is None or self.load.length != 2 or self.mask is not None:  # noqa: PLR2004
            raise Undecodable("a part of the transport header")
        first = int.from_bytes(piece.value, "big")
        said = f"{invert}{option} {ports(first, int.from_bytes(piece.upto, 'big') if piece.upto else first)}"
        if self.body and self.body[-1].startswith(f"-m {name} --sport ") and option == "--dport":
            self.body[-1] += f" {said}"
        else:
            self.body.append(f"-m {name} {said}")

    def _unknown(self, name: str) -> None:
        self.unread.append(name)


def _interface(value: bytes) -> str:
    """With its closing NUL a whole name, without it a beginning."""
    return text(value) if value.endswith(b"\0") else f"{text(value)}+"


def _decode(piece: bytes, family: int) -> _Piece:
    found = attributes(piece)
    name = text(found.get(1, b""))
    decode = _EXPRESSIONS.get(name)
    if decode is None:
        return _Unknown(name or "an expression without a name")
    try:
        return decode(attributes(found.get(2, b"")), family)
    except Undecodable as e:
        return _Unknown(str(e))
    except (struct.error, KeyError, IndexError):
        return _Unknown(name)


def _register(found: Mapping[int, bytes], kind: int) -> None:
    if number(found[kind]) != 1:
        raise Undecodable("another register than iptables uses")


def _meta(found: Mapping[int, bytes], _family: int) -> _Piece:
    if _META_SETS in found:
        raise Undecodable("meta set")
    _register(found, 1)
    return _Load(meta=number(found[2]))


def _payload(found: Mapping[int, bytes], _family: int) -> _Piece:
    _register(found, 1)
    return _Load(base=number(found[2]), offset=number(found[3]), length=number(found[4]))


def _bitwise(found: Mapping[int, bytes], _family: int) -> _Piece:
    _register(found, 1)
    _register(found, 2)
    if any(attributes(found[5])[1]) or (_BITWISE_OP in found and number(found[_BITWISE_OP])):
        raise Undecodable("bitwise")
    mask = attributes(found[4])[1]
    if len(mask) != number(found[3]):
        raise Undecodable("bitwise")
    return _Mask(mask)


def _cmp(found: Mapping[int, bytes], _family: int) -> _Piece:
    _register(found, 1)
    how = number(found[2])
    if how not in (_EQUAL, _DIFFERENT):
        raise Undecodable("a comparison")
    return _Compare(how == _DIFFERENT, attributes(found[3])[1])


def _range(found: Mapping[int, bytes], _family: int) -> _Piece:
    _register(found, 1)
    how = number(found[2])
    if how not in (_EQUAL, _DIFFERENT):
        raise Undecodable("a range")
    return _Compare(how == _DIFFERENT, attributes(found[3])[1], attributes(found[4])[1])


def _match(found: Mapping[int, bytes], family: int) -> _Piece:
    return _Said(xt_matches.words(text(found[1]), number(found[2]), found[3], family))


def _target(found: Mapping[int, bytes], family: int) -> _Piece:
    return _Said(xt_targets.words(text(found[1]), number(found[2]), found[3], family), target=True)


def _immediate(found: Mapping[int, bytes], _family: int) -> _Piece:
    if number(found[1]) != 0:  # NFT_REG_VERDICT
        raise Undecodable("immediate")
    verdict = attributes(attributes(found[2])[2])
    code = number(verdict[1])
    if code in (_JUMP, _GOTO):
        return _Said(f"-{'j' if code == _JUMP else 'g'} {text(verdict[2])}", target=True)
    if code not in _VERDICTS:
        raise Undecodable("a verdict")
    return _Said(_VERDICTS[code], target=True)


def _counter(found: Mapping[int, bytes], _family: int) -> _Piece:
    return _Count(_U64.unpack(found[2])[0], _U64.unpack(found[1])[0])


_EXPRESSIONS: Mapping[str, Callable[[Mapping[int, bytes], int], _Piece]] = {
    "meta": _meta, "payload": _payload, "bitwise": _bitwise, "cmp": _cmp, "range": _range, "match": _match, "target": _target,
    "immediate": _immediate, "counter": _counter,
}  # fmt: skip
