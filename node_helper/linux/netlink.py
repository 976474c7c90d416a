"""Netlink messages and attributes as bytes, and one socket that asks and reads whole answers (netlink(7), linux/netlink.h)."""

from __future__ import annotations

import errno
import os
import socket
import struct
from typing import Any, Iterator, Protocol

from node_helper.protocol import CannotLook

_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
ATTRIBUTE = struct.Struct("=HH")  # length, type
_ERROR = struct.Struct("=i")
_NOOP, _FAILED, _DONE, _OVERRUN = 1, 2, 3, 4
_REQUEST, _DUMP, _INTERRUPTED = 0x1, 0x300, 0x10
TYPE = 0x3FFF  # without NLA_F_NESTED and NLA_F_NET_BYTEORDER
_SOL_NETLINK, _STRICT_CHECK = 270, 12
_TRUNCATED = int(socket.MSG_TRUNC)  # an enum costs a microsecond at each use
_ANSWER = 1 << 16
_TRIES = 5
_TIMEOUT = struct.pack("@ll", 5, 0)  # struct timeval
_MOST_BYTES = 64 << 20


class Malformed(ValueError):
    """The bytes are not what netlink(7) allows."""


class _Interrupted(Exception):
    """The table changed while it was read: what came is not one picture of it."""


def messages(data: bytes) -> list[tuple[int, int, int, bytes]]:
    """Type, flags, sequence and body of each message of a datagram. Raises `Malformed`."""
    found = []
    at, end, header = 0, len(data), _HEADER.unpack_from
    while at + 16 <= end:
        length, kind, flags, sequence, _ = header(data, at)
        if length < 16 or at + length > end:  # noqa: PLR2004  (struct nlmsghdr)
            raise Malformed(f"a netlink message says {length} of {end - at} bytes")
        found.append((kind, flags, sequence, data[at + 16 : at + length]))
        at += (length + 3) & ~3
    if at < end:
        raise Malformed("bytes are left after the last netlink message")
    return found


def attributes(body: bytes, at: int = 0) -> dict[int, bytes]:
    """Attributes by type, the last of each. Raises `Malformed`."""
    found = {}
    end, header = len(body), ATTRIBUTE.unpack_from  # a device has fifty of them, so this loop is most of the reading
    while at + 4 <= end:
        length, kind = header(body, at)
        if length < 4 or at + length > end:  # noqa: PLR2004  (struct nlattr)
            raise Malformed(f"a netlink attribute says {length} of {end - at} bytes")
        found[kind & TYPE] = body[at + 4 : at + length]
        at += (length + 3) & ~3
    return found


def unpack(form: struct.Struct, data: bytes, at: int = 0) -> tuple[int, ...]:
    """The numbers of a fixed part; it may be longer than we know, never shorter. Raises `Malformed`."""
    if at + form.size > len(data):
        raise Malformed(f"{len(data) - at} bytes where {form.size} belong")
    return form.unpack_from(data, at)


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded."""
    return ATTRIBUTE.pack(ATTRIBUTE.size + len(value), kind) + value + b"\0" * (_aligned(len(value)) - len(value))


class Channel(Protocol):
    """What a netlink socket does for us."""

    def send(self, data: bytes, /) -> int:
        """One datagram to the kernel."""

    def recvmsg(self, size: int, /) -> tuple[bytes, list[Any], int, Any]:
        """One datagram, its ancillary data, flags, and the sender's (port, groups)."""

    def close(self) -> None:
        """The end of it."""


def connect() -> Netlink:
    """Reach NETLINK_ROUTE of the calling thread's namespace."""
    channel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    channel.bind((0, 0))
    wait_at_most_seconds(channel)
    try:
        channel.setsockopt(_SOL_NETLINK, _STRICT_CHECK, 1)
    except OSError as e:
        if e.errno != errno.ENOPROTOOPT:  # kernels before 4.20 check nothing and need nothing
            raise
    return Netlink(channel)


def wait_at_most_seconds(channel: socket.socket) -> None:
    """Let the kernel end a wait for an answer after five seconds (EAGAIN): `settimeout` would poll before each call."""
    channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEOUT)


class Netlink:
    """Questions over one channel, one after the other; close it."""

    def __init__(self, channel: Channel) -> None:
        self._socket = channel
        self._sequence = 0

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()

    def dump(self, kind: int, body: bytes) -> list[bytes]:
        """The bodies of a whole table in one consistent picture; read again when it changed meanwhile, then `CannotLook`."""
        for _ in range(_TRIES):
            try:
                return list(self._ask(kind, body))
            except _Interrupted:
                continue
        raise CannotLook(f"the kernel's table changed during each of {_TRIES} readings", kind="timeout", fix="ask again")

    def get(self, kind: int, body: bytes) -> bytes:
        """The body of the one answer, which needs no acknowledgement: the kernel refuses, or answers."""
        self._send(kind, _REQUEST, body)
        while True:
            for message, _, sequence, content in messages(self._receive()):
                if sequence == self._sequence and message != _NOOP:
                    if message == _FAILED:
                        _raise_for(content)
                        return b""
                    return content

    def _send(self, kind: int, flags: int, body: bytes) -> None:
        self._sequence += 1
        self._socket.send(_HEADER.pack(_HEADER.size + len(body), kind, flags, self._sequence, 0) + body)

    def _ask(self, kind: int, body: bytes) -> Iterator[bytes]:
        self._send(kind, _REQUEST | _DUMP, body)
        read, interrupted, done = 0, False, False
        while not done:
            data = self._receive()
            read += len(data)
            if read > _MOST_BYTES:
                raise CannotLook(f"the kernel's table has more than {_MOST_BYTES >> 20} MiB", kind="budget")
            for message, its_flags, sequence, content in messages(data):
                if sequence != self._sequence:
                    continue
                interrupted |= bool(its_flags & _INTERRUPTED) or message == _OVERRUN
                if message in (_FAILED, _DONE):
                    _raise_for(content)
                    done = True
                elif message != _NOOP:
                    yield content
        if interrupted:
            raise _Interrupted

    def _receive(self) -> bytes:
        while True:
            try:
                data, _, flags, sender = self._socket.recvmsg(_ANSWER)
            except BlockingIOError as e:
                raise TimeoutError from e
            except OSError as e:
                if e.errno == errno.ENOBUFS:
                    raise _Interrupted from e
                raise
            if flags & _TRUNCATED:
                raise Malformed(f"a netlink datagram has more than {_ANSWER} bytes")
            if sender[0] == 0:  # the kernel itself, not another process
                return data


def _raise_for(content: bytes) -> None:
    # NLMSG_DONE of old kernels may carry nothing.
    if len(content) >= _ERROR.size:
        code = -_ERROR.unpack_from(content)[0]
        if code > 0:
            raise OSError(code, os.strerror(code))


def _aligned(size: int) -> int:
    return (size + 3) & ~3
