"""One TCP handshake."""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct
import time

from node_helper.linux import sockets
from node_helper.linux.probes.outcome import Address, failed, place
from node_helper.linux.probes.waiting import Attempt
from node_helper.records import Reply

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER of 0 s: nothing lingers in TIME-WAIT in the pod


def connect(address: str, port: int, attempt: Attempt) -> Reply:
    """Shake hands and hang up at once."""
    try:
        family, there = place(address, port)
    except OSError as e:
        return failed(e, attempt.started)
    with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as talk:
        talk.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        try:
            attempt.connect(talk, there)
        except OSError as e:
            if e.errno == errno.EADDRNOTAVAIL and _has_source(family, there):
                return Reply("no-port", time.monotonic() - attempt.started)
            return failed(e, attempt.started)
        seconds = time.monotonic() - attempt.started
        return Reply("answered", seconds, sender=address, taken_by=_taken_by(talk, (address, port)))


def _taken_by(talk: socket.socket, meant: tuple[str, int]) -> str:
    """A socket of this namespace that has the other end, where it is not the one that was meant; "" else."""
    other = sockets.opposite(*talk.getsockname()[:2])
    if other is None or (_bare(other.local), other.local_port) == (_bare(meant[0]), meant[1]):
        return ""
    return f"[{other.local}]:{other.local_port}" if ":" in other.local else f"{other.local}:{other.local_port}"


def _bare(address: str) -> bytes:
    """An address without its scope, an IPv4 address that IPv6 wraps as itself."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    return (getattr(ip, "ipv4_mapped", None) or ip).packed


def _has_source(family: socket.AddressFamily, there: Address) -> bool:
    """Whether there is an address to send from: the kernel says EADDRNOTAVAIL without one, and without a free port (connect(2)).

    Connecting a UDP socket chooses the address, wants no port of its own from that peer, and sends nothing.
    """
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as other:
        return other.connect_ex(there) != errno.EADDRNOTAVAIL
