"""A question with EDNS0 (RFC 6891), whether a message answers it, and what the answer says."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Optional, Tuple

from node_helper.dns import kinds, records
from node_helper.dns.names import Malformed, from_wire, to_wire

_HEADER = struct.Struct("!6H")  # id, flags, counts of questions, answers, authorities, additional records
_RESPONSE, _AUTHORITATIVE, _TRUNCATED, _RECURSE, _RECURSES, _AUTHENTIC = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0020
_INTERNET = 1
_LONGEST_TEXT = 1 << 20  # an honest answer of 64 KiB is a third of this
_PAYLOAD = 1232  # largest UDP answer that crosses any path unfragmented (DNS flag day 2020)
_Record = Tuple[str, str, int, str]
_RCODES = {
    0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 6: "YXDOMAIN",
    7: "YXRRSET", 8: "NXRRSET", 9: "NOTAUTH", 10: "NOTZONE", 16: "BADVERS", 17: "BADKEY",
    18: "BADTIME", 19: "BADMODE", 20: "BADNAME", 21: "BADALG", 22: "BADTRUNC", 23: "BADCOOKIE",
}  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """What a server said: the code by its name, and the answer section as (name, type, ttl, data).

    `edns` is the largest UDP answer that it takes itself, in bytes; None where it says nothing of EDNS.
    """

    rcode: str
    truncated: bool
    authoritative: bool
    records: tuple[tuple[str, str, int, str], ...]
    edns: Optional[int] = None
    recurses: bool = False
    authentic: bool = False


def question(identity: int, name: str, kind: str, *, edns: bool = True) -> bytes:
    """The message that asks for one name and type, recursion desired. Raises `ValueError` for a name or type that DNS has not."""
    ask = to_wire(name) + struct.pack("!HH", kinds.number(kind), _INTERNET)
    option = b"\0" + struct.pack("!HHIH", kinds.TYPES["OPT"], _PAYLOAD, 0, 0) if edns else b""
    return _HEADER.pack(identity, _RECURSE, 1, 0, 0, int(edns)) + ask + option


def answers(asked: bytes, message: bytes) -> bool:
    """Whether a message is a response to what was asked: same id and question; a server that could not read it repeats none."""
    if len(message) < _HEADER.size or message[:2] != asked[:2]:
        return False
    _, flags, questions, *_ = _HEADER.unpack_from(message)
    if not flags & _RESPONSE:
        return False
    if questions == 0:
        return bool(flags & 0xF)
    size = _question_end(asked) - _HEADER.size
    same: bool = message[_HEADER.size :][:size].lower() == asked[_HEADER.size :][:size].lower()
    return same


def parse(message: bytes) -> Answer:
    """What the message says. Raises `Malformed`. A truncated message may end in the middle of a record."""
    if len(message) < _HEADER.size:
        raise Malformed("shorter than a DNS header")
    _, flags, questions, answered, authorities, additional = _HEADER.unpack_from(message)
    truncated = bool(flags & _TRUNCATED)
    at = _HEADER.size
    for _ in range(questions):
        at = _question_end(message, at)
    try:
        found, option = _sections(message, at, (answered, authorities + additional))
    except Malformed:
        if not truncated:
            raise
        found, option = (), None
    code = flags & 0xF | (option.ttl >> 24 << 4 if option else 0)
    return Answer(
        rcode=_rcode(code),
        truncated=truncated,
        authoritative=bool(flags & _AUTHORITATIVE),
        records=found,
        edns=option.klass if option else None,
        recurses=bool(flags & _RECURSES),
        authentic=bool(flags & _AUTHENTIC),
    )


def _sections(message: bytes, at: int, counts: tuple[int, int]) -> tuple[tuple[_Record, ...], Optional[records.Resource]]:
    """The answer section, and the OPT record, whose class is a size and whose TTL holds more of the code (RFC 6891 6.1)."""
    found, length = [], 0
    for _ in range(counts[0]):
        record, at = records.read(message, at)
        data = records.present(message, record)
        length += len(record.name) + len(data)
        if length > _LONGEST_TEXT:
            raise Malformed(f"its compressed names and bitmaps unfold to more than {_LONGEST_TEXT} characters")
        found.append((record.name, kinds.kind_name(record.kind), record.ttl, data))
    option = None
    for _ in range(counts[1]):
        record, at = records.read(message, at)
        if record.kind == kinds.TYPES["OPT"]:
            option = record
    return tuple(found), option


def _question_end(message: bytes, at: int = _HEADER.size) -> int:
    _, at = from_wire(message, at)
    if at + 4 > len(message):
        raise Malformed("a question ends outside the message")
    return at + 4


def _rcode(code: int) -> str:
    return _RCODES.get(code, f"RCODE{code}")
