"""One DNS message to one server, over UDP or TCP (RFC 1035 4.2)."""

from __future__ import annotations

import errno
import os
import socket
import struct
import time

from node_helper.dns import message
from node_helper.dns.names import Malformed
from node_helper.linux.probes import refusal
from node_helper.linux.probes.outcome import failed, place
from node_helper.linux.probes.waiting import Attempt
from node_helper.records import Datagram, Reply

_LENGTH = struct.Struct("!H")
_LARGEST = 1 << 16


def exchange(request: Datagram, attempt: Attempt) -> Reply:
    """Send, and wait for what answers it. The socket is connected: other senders are not heard, ICMP errors are."""
    try:
        family, there = place(request.server, request.port)
    except OSError as e:
        return failed(e, attempt.started)
    kind, ask = (socket.SOCK_STREAM, _over_tcp) if request.transport == "tcp" else (socket.SOCK_DGRAM, _over_udp)
    with socket.socket(family, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as talk:
        try:
            attempt.connect(talk, there)
            payload = ask(talk, request.payload, attempt)
        except OSError as e:
            said = refusal.take(talk)
            return failed(e, attempt.started, said.sender if said else "")
    return Reply("answered", time.monotonic() - attempt.started, payload, request.server)


def exchange_together(requests: tuple[Datagram, ...], attempt: Attempt) -> tuple[Reply, ...]:
    """All from one UDP socket, at once; each reply has the time at which it came. An error is that of all not yet answered."""
    replies: dict[int, Reply] = {}
    try:
        family, there = place(requests[0].server, requests[0].port)
    except OSError as e:
        return tuple(failed(e, attempt.started) for _ in requests)
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as talk:
        try:
            attempt.connect(talk, there)
            refusal.listen(talk)
            for request in requests:
                attempt.send(talk, request.payload)
            while len(replies) < len(requests):
                data, _ = attempt.receive(talk, _LARGEST)
                for at in (i for i, r in enumerate(requests) if i not in replies and _answers(r.payload, data)):
                    replies[at] = Reply("answered", time.monotonic() - attempt.started, data, requests[at].server)
        except OSError as e:
            said = refusal.take(talk)
            rest = failed(e, attempt.started, said.sender if said else "")
            return tuple(replies.get(at, rest) for at in range(len(requests)))
    return tuple(replies[at] for at in range(len(requests)))


def _over_udp(talk: socket.socket, asked: bytes, attempt: Attempt) -> bytes:
    refusal.listen(talk)
    attempt.send(talk, asked)
    while True:
        data, _ = attempt.receive(talk, _LARGEST)
        if _answers(asked, data):
            return data


def _over_tcp(talk: socket.socket, asked: bytes, attempt: Attempt) -> bytes:
    attempt.send(talk, _LENGTH.pack(len(asked)) + asked)
    size = _LENGTH.unpack(_exactly(talk, _LENGTH.size, attempt))[0]
    return _exactly(talk, size, attempt)


def _exactly(talk: socket.socket, size: int, attempt: Attempt) -> bytes:
    data = b""
    while len(data) < size:
        more, _ = attempt.receive(talk, size - len(data))
        if not more:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        data += more
    return data


def _answers(asked: bytes, data: bytes) -> bool:
    try:
        return message.answers(asked, data)
    except Malformed:
        return False
