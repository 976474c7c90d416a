"""ctnetlink of a namespace: dumps of the conntrack table, its counters, its events as they happen. Nothing is ever changed."""

from __future__ import annotations

import errno
import select
import socket
import struct
import time
from typing import Iterator, Optional

from node_helper.kernel import Netns
from node_helper.linux import nfnetlink
from node_helper.linux.netns import inside
from node_helper.protocol import CannotLook
from node_helper.stop import Stop

_HEADER = struct.Struct("=IHHII")
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_HARMLESS = frozenset({1, 4, 5})  # IPCTNL_MSG_CT_GET, _GET_STATS_CPU, _GET_STATS; 2 deletes, 3 sets counters to zero
_ANSWER = 1 << 15  # the kernel fills no more than this at once (netlink_dump)
_GROUPS = 0b111  # NFNLGRP_CONNTRACK_NEW, _UPDATE, _DESTROY
_SO_RCVBUFFORCE = 33
_ROOM = 8 << 20  # bytes of events that may wait for us
_TICK = 0.5


def ask(where: Netns, message: int, body: bytes, stop: Stop, *, dump: bool) -> Iterator[bytes]:
    """The datagrams that answer a request, for as long as they are asked for; whoever reads them knows the last one."""
    if message not in _HARMLESS:
        raise CannotLook(f"ctnetlink message {message} is not one that only reads", kind="malformed")
    with inside(where, nfnetlink.channel) as channel:
        flags = _REQUEST | (_DUMP if dump else _ACK)
        channel.send(_HEADER.pack(_HEADER.size + len(body), nfnetlink.kind(nfnetlink.CONNTRACK, message), flags, 1, 0) + body)
        while True:
            stop.check()
            yield channel.recv(_ANSWER)


def events(where: Netns, seconds: float, stop: Stop) -> Iterator[Optional[bytes]]:
    """Events for so long: a datagram each; b"" at every tick of half a second; None where the kernel had to drop some."""
    with inside(where, _listener) as channel:
        poll = select.poll()
        poll.register(channel, select.POLLIN)
        poll.register(stop, select.POLLIN)
        now = time.monotonic()
        ends, tick = now + seconds, now + _TICK
        while now < ends:
            poll.poll(max(0.0, min(tick, ends) - now) * 1000)
            stop.check()
            yield from _waiting(channel, tick)
            now = time.monotonic()
            if now >= tick:
                yield b""
                tick = now + _TICK


def _listener() -> socket.socket:
    channel = nfnetlink.channel(_GROUPS)
    channel.settimeout(0)
    channel.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _ROOM)
    return channel


def _waiting(channel: socket.socket, until: float) -> Iterator[Optional[bytes]]:
    """What has come, but for no longer than until then."""
    while time.monotonic() < until:
        try:
            yield channel.recv(_ANSWER)
        except BlockingIOError:
            return
        except OSError as e:
            if e.errno != errno.ENOBUFS:
                raise
            yield None
