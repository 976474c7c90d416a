"""One GET over TCP, by HTTP/1.0: the answer ends with the connection and comes in one piece (RFC 1945)."""

from __future__ import annotations

import socket
import time

from node_helper.linux.netlink import Malformed
from node_helper.linux.probes.outcome import outcome, place
from node_helper.linux.probes.waiting import Attempt
from node_helper.protocol import CannotLook
from node_helper.records import Page

_CHUNK = 1 << 16
_STATUS_WORDS = 2


def get(address: str, port: int, path: str, attempt: Attempt, limit: int) -> Page:
    """What a server at a literal address says to "GET path", at most `limit` bytes of it. Raises `Malformed`."""
    request = f"GET {path} HTTP/1.0\r\nHost: localhost\r\nUser-Agent: netcheck\r\nConnection: close\r\n\r\n"
    try:
        family, there = place(address, port)
        with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as talk:
            attempt.connect(talk, there)
            attempt.send(talk, request.encode())
            answer = _all(talk, attempt, limit)
    except OSError as e:
        word = outcome(e)
        if word is None:
            raise
        return Page(word, time.monotonic() - attempt.started)
    status, body = parse(answer)
    return Page("answered", time.monotonic() - attempt.started, status, body)


def _all(talk: socket.socket, attempt: Attempt, limit: int) -> bytes:
    found = bytearray()
    while True:
        data, _ = attempt.receive(talk, _CHUNK)
        if not data:
            return bytes(found)
        found += data
        if len(found) > limit:
            raise CannotLook(f"an HTTP answer has more than {limit} bytes", kind="budget")


def parse(answer: bytes) -> tuple[int, str]:
    """Status and body. Raises `Malformed`."""
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(b"\r\n", 1)[0].split()
    if len(words) < _STATUS_WORDS or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        raise Malformed(f"this is not HTTP: {answer[:40]!r}")
    return int(words[1]), body.decode(errors="backslashreplace")
