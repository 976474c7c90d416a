"""Resource records and their data in presentation form; types without one of their own as RFC 3597 writes them."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import Callable

from node_helper.dns import dnssec, service_binding
from node_helper.dns.kinds import TYPES, kind_name
from node_helper.dns.names import Malformed, from_wire
from node_helper.dns.texts import hexadecimal, quoted, string

_HEADER = struct.Struct("!HHIH")  # type, class, TTL, length (RFC 1035 4.1.3)


@dataclass(frozen=True)
class Resource:
    """One record as it stands in a message: `kind` and `klass` are numbers, `start` and `end` bound its data."""

    name: str
    kind: int
    klass: int
    ttl: int
    start: int
    end: int


def read(message: bytes, at: int) -> tuple[Resource, int]:
    """The record at an offset and the offset after it. Raises `Malformed`."""
    name, at = from_wire(message, at)
    if at + _HEADER.size > len(message):
        raise Malformed("a record ends outside the message")
    kind, klass, ttl, size = _HEADER.unpack_from(message, at)
    start = at + _HEADER.size
    if start + size > len(message):
        raise Malformed("a record's data end outside the message")
    return Resource(name, kind, klass, ttl, start, start + size), start + size


def present(message: bytes, record: Resource) -> str:
    """The data of a record as a zone file has them. Raises `Malformed`."""
    form = _FORMS.get(record.kind)
    if form is None:
        data = message[record.start : record.end]
        return f"\\# {len(data)} {hexadecimal(data)}".rstrip()
    text, end = form(message, record.start, record.end)
    if end != record.end:
        raise Malformed(f"the data of a {kind_name(record.kind)} record have another length than they say")
    return text


def _address(family: int, size: int) -> Callable[[bytes, int, int], tuple[str, int]]:
    def form(message: bytes, at: int, end: int) -> tuple[str, int]:
        if end - at != size:
            raise Malformed("an address has the wrong length")
        return socket.inet_ntop(family, message[at:end]), end

    return form


def _name(message: bytes, at: int, _end: int) -> tuple[str, int]:
    return from_wire(message, at)


def _numbered_name(count: int) -> Callable[[bytes, int, int], tuple[str, int]]:
    def form(message: bytes, at: int, end: int) -> tuple[str, int]:
        if at + 2 * count > end:
            raise Malformed("a record is too short")
        numbers = struct.unpack_from(f"!{count}H", message, at)
        name, at = from_wire(message, at + 2 * count)
        return " ".join([*map(str, numbers), name]), at

    return form


def _strings(message: bytes, at: int, end: int) -> tuple[str, int]:
    texts = []
    while at < end:
        text, at = string(message, at, end)
        texts.append(quoted(text))
    return " ".join(texts), at


def _host(message: bytes, at: int, end: int) -> tuple[str, int]:
    """RFC 1035 3.3.2: machine, system."""
    machine, at = string(message, at, end)
    system, at = string(message, at, end)
    return f"{quoted(machine)} {quoted(system)}", at


def _authority(message: bytes, at: int, end: int) -> tuple[str, int]:
    """RFC 8659: flags, tag, value."""
    tag, after = string(message, at + 1, end)
    if not tag.isalnum():
        raise Malformed("a CAA record without a tag")
    return f"{message[at]} {tag.decode()} {quoted(message[after:end])}", end


def _naming(message: bytes, at: int, end: int) -> tuple[str, int]:
    """RFC 3403: order, preference, flags, service, expression, replacement."""
    if at + 4 > end:
        raise Malformed("a NAPTR record is too short")
    words = [str(number) for number in struct.unpack_from("!2H", message, at)]
    at += 4
    for _ in range(3):
        text, at = string(message, at, end)
        words.append(quoted(text))
    name, at = from_wire(message, at)
    return " ".join([*words, name]), at


def _soa(message: bytes, at: int, end: int) -> tuple[str, int]:
    primary, at = from_wire(message, at)
    mailbox, at = from_wire(message, at)
    if at + 20 > end:
        raise Malformed("an SOA record is too short")
    return " ".join([primary, mailbox, *map(str, struct.unpack_from("!5I", message, at))]), at + 20


_FORMS: dict[int, Callable[[bytes, int, int], tuple[str, int]]] = {
    TYPES["A"]: _address(socket.AF_INET, 4),
    TYPES["AAAA"]: _address(socket.AF_INET6, 16),
    TYPES["NS"]: _name,
    TYPES["CNAME"]: _name,
    TYPES["PTR"]: _name,
    TYPES["DNAME"]: _name,
    TYPES["MX"]: _numbered_name(1),
    TYPES["SRV"]: _numbered_name(3),
    TYPES["TXT"]: _strings,
    TYPES["SOA"]: _soa,
    TYPES["CAA"]: _authority,
    TYPES["NAPTR"]: _naming,
    TYPES["SVCB"]: service_binding.present,
    TYPES["HTTPS"]: service_binding.present,
    TYPES["HINFO"]: _host,
    **dnssec.FORMS,
}
