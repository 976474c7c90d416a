"""One echo request (RFC 792, RFC 4443) and its reply, or the ICMP error that came instead."""

from __future__ import annotations

import os
import socket
import struct
import time

from node_helper.linux.probes import refusal
from node_helper.linux.probes.outcome import failed, place
from node_helper.linux.probes.waiting import Attempt
from node_helper.records import Reply

_REQUEST = {socket.AF_INET: 8, socket.AF_INET6: 128}
_REPLY = {socket.AF_INET: 0, socket.AF_INET6: 129}
_PROTOCOL = {socket.AF_INET: socket.IPPROTO_ICMP, socket.AF_INET6: socket.IPPROTO_ICMPV6}
_LARGEST = 1 << 16
_COOKIE = 16  # random bytes that make a reply ours


def echo(address: str, sequence: int, attempt: Attempt) -> Reply:
    """Ask once and wait for the reply to exactly this request, or for an error about it."""
    try:
        family, there = place(address, 0)
    except OSError as e:
        return failed(e, attempt.started)
    with socket.socket(family, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, _PROTOCOL[family]) as talk:
        ours = os.urandom(2) + struct.pack("!H", sequence & 0xFFFF) + os.urandom(_COOKIE)
        refusal.listen(talk)
        try:
            attempt.connect(talk, there)
            attempt.send(talk, request(family, ours))
        except OSError as e:
            return failed(e, attempt.started)
        return _wait(talk, ours, attempt)


def request(family: int, ours: bytes) -> bytes:
    """The ICMP message; the kernel fills in the checksum of ICMPv6, because it covers the addresses."""
    kind = _REQUEST[socket.AddressFamily(family)]
    total = checksum(bytes([kind, 0, 0, 0]) + ours) if family == socket.AF_INET else 0
    return struct.pack("!BBH", kind, 0, total) + ours


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def is_reply(family: int, packet: bytes, ours: bytes) -> bool:
    """Whether a packet, as a raw socket of that family hands it out, is the reply to our request."""
    start = (packet[0] & 0xF) * 4 if family == socket.AF_INET and packet else 0
    message = packet[start:]
    return message[:1] == bytes([_REPLY[socket.AddressFamily(family)]]) and message[4:] == ours


def _wait(talk: socket.socket, ours: bytes, attempt: Attempt) -> Reply:
    while True:
        try:
            packet, sender = attempt.receive(talk, _LARGEST)
        except OSError as e:
            said = refusal.take(talk)
            if said is None or _is_about(said.about, ours):
                return failed(e, attempt.started, said.sender if said else "")
        else:
            if is_reply(talk.family, packet, ours):
                return Reply("answered", time.monotonic() - attempt.started, sender=sender)


def _is_about(quoted: bytes, ours: bytes) -> bool:
    """Whether an ICMP error quotes our request: at least its identifier and sequence come back."""
    return quoted[4:8] == ours[:4]
