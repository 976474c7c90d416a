"""The data of DNSSEC's records and of fingerprints of keys as dig prints them.

A form takes a message and the offsets where a record's data begin and end; it gives their text and the offset after them, or
raises `Malformed` for what dig 9.18 refuses. Names must not be compressed here (RFC 4034 3.1.7, 4.1.1); dig reads those that are.
"""

from __future__ import annotations

import struct
import time
from base64 import b32encode
from typing import Callable, Mapping

from node_helper.dns.kinds import TYPES, kind_name
from node_helper.dns.names import Malformed, from_wire
from node_helper.dns.texts import base64, hexadecimal, string

_KEY = struct.Struct("!HBB")  # flags, protocol, algorithm
_SIGNATURE = struct.Struct("!HBBIIIH")  # type covered, algorithm, labels, TTL, expiration, inception, key tag
_HASHING = struct.Struct("!BBH")  # algorithm, flags, iterations
_SHA1, _SHA1_SIZE = 1, 20
_LONGEST_HASH = 39  # bytes: a label holds no more of base32
_DIGESTS = {1: 20, 2: 32, 4: 48}  # bytes of SHA-1, SHA-256, SHA-384
_FINGERPRINTS = {1: 20, 2: 32}  # bytes of SHA-1, SHA-256
_PRIVATE = 253  # an algorithm whose owner's name stands before its key (RFC 4034 A.1.1)
_BITS, _MOST_OCTETS = 256, 32  # of a window
_ROUND = 1 << 32
_LATEST = (1 << 31) + 1_796_000_000  # seconds: 68 years after 2026
_HEX32 = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789ABCDEFGHIJKLMNOPQRSTUV")


def _digest(layout: str, sizes: Mapping[int, int], least: int = 1) -> Callable[[bytes, int, int], tuple[str, int]]:
    """Numbers, then at least so many bytes; `sizes` says how many where the last number is a key of it."""
    head = struct.Struct(layout)

    def form(message: bytes, at: int, end: int) -> tuple[str, int]:
        numbers, rest = _split(head, message[at:end])
        if len(rest) < least or len(rest) != sizes.get(numbers[-1], len(rest)):
            raise Malformed(f"a digest of type {numbers[-1]} has {len(rest)} bytes")
        return _joined(*numbers, hexadecimal(rest)), end

    return form


def _key(message: bytes, at: int, end: int) -> tuple[str, int]:
    """RFC 4034 2: flags, protocol, algorithm, key. One of a private algorithm begins with a name, which is not compressed."""
    numbers, rest = _split(_KEY, message[at:end])
    if not rest:
        raise Malformed("a record without its key")
    if numbers[-1] == _PRIVATE:
        from_wire(rest, 0)
    return _joined(*numbers, base64(rest)), end


def _signature(message: bytes, at: int, end: int) -> tuple[str, int]:
    """RFC 4034 3: what it covers and how, from when to when, whose key made it, the signature."""
    (covered, algorithm, labels, ttl, expiration, inception, tag), _ = _split(_SIGNATURE, message[at:end])
    signer, after = from_wire(message, at + _SIGNATURE.size)
    if after >= end:
        raise Malformed("an RRSIG record without its signature")
    numbers = (kind_name(covered), algorithm, labels, ttl, _time(expiration), _time(inception), tag)
    return _joined(*numbers, signer, base64(message[after:end])), end


def _time(seconds: int) -> str:
    """RFC 4034 3.1.5: of the seconds that the number can mean, those within 68 years of now, for which 2026 stands here."""
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(seconds if seconds <= _LATEST else seconds - _ROUND))


def _next(message: bytes, at: int, end: int) -> tuple[str, int]:
    """RFC 4034 4: the next name, and the types of this one, of which there are some."""
    name, after = from_wire(message, at)
    if after >= end:
        raise Malformed("an NSEC record without types")
    return _joined(name, *_kinds(message[after:end])), end


def _next_hash(message: bytes, at: int, end: int) -> tuple[str, int]:
    """RFC 5155 3: how names are hashed, the next hash, and the types of this one, of which a name above others can have none."""
    numbers, rest = _split(_HASHING, message[at:end])
    salt, after = string(rest, 0, len(rest))
    hashed, after = string(rest, after, len(rest))
    if not 1 <= len(hashed) <= _LONGEST_HASH or (numbers[0] == _SHA1 and len(hashed) != _SHA1_SIZE):
        raise Malformed(f"a hash of type {numbers[0]} has {len(hashed)} bytes")
    digits = b32encode(hashed).translate(_HEX32).decode().rstrip("=")
    return _joined(*numbers, salt.hex().upper() or "-", digits, *_kinds(rest[after:])), end


def _hashing(message: bytes, at: int, end: int) -> tuple[str, int]:
    """RFC 5155 4: how names are hashed."""
    numbers, rest = _split(_HASHING, message[at:end])
    salt, after = string(rest, 0, len(rest))
    return _joined(*numbers, salt.hex().upper() or "-"), at + _HASHING.size + after


def _kinds(bitmap: bytes) -> list[str]:
    """The types of a bitmap, whose windows are in order, are not empty and do not end in zeros (RFC 4034 4.1.2)."""
    names: list[str] = []
    at, last = 0, -1
    while at < len(bitmap):
        window = bitmap[at]
        octets, at = string(bitmap, at + 1, len(bitmap))
        if window <= last or not 1 <= len(octets) <= _MOST_OCTETS or not octets[-1]:
            raise Malformed(f"window {window} of a bitmap of types is out of order, empty, too long or ends in zeros")
        set_bits = (bit for bit in range(8 * len(octets)) if octets[bit // 8] & 0x80 >> bit % 8)
        names += (kind_name(_BITS * window + bit) for bit in set_bits)
        last = window
    return names


def _split(head: struct.Struct, data: bytes) -> tuple[tuple[int, ...], bytes]:
    if len(data) < head.size:
        raise Malformed("a record is too short")
    return head.unpack_from(data), data[head.size :]


def _joined(*words: object) -> str:
    return " ".join(str(word) for word in words if word != "")


FORMS: dict[int, Callable[[bytes, int, int], tuple[str, int]]] = {
    TYPES["DS"]: _digest("!HBB", _DIGESTS),  # RFC 4034 5: key tag, algorithm, digest type, digest
    TYPES["CDS"]: _digest("!HBB", _DIGESTS),  # RFC 7344 3.1
    TYPES["SSHFP"]: _digest("!BB", _FINGERPRINTS, least=0),  # RFC 4255 3.1: algorithm, fingerprint type, fingerprint
    TYPES["TLSA"]: _digest("!BBB", {}),  # RFC 6698 2.1: usage, selector, matching type, data
    TYPES["DNSKEY"]: _key,
    TYPES["CDNSKEY"]: _key,  # RFC 7344 3.2
    TYPES["RRSIG"]: _signature,
    TYPES["NSEC"]: _next,
    TYPES["NSEC3"]: _next_hash,
    TYPES["NSEC3PARAM"]: _hashing,
}
