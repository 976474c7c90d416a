"""ICMP errors about what a socket sent, from its error queue (ip(7) IP_RECVERR): without it, only some errors are told."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import Optional

_RECVERR = {socket.AF_INET: (socket.IPPROTO_IP, 11), socket.AF_INET6: (socket.IPPROTO_IPV6, 25)}  # IP_RECVERR, IPV6_RECVERR
_ERROR = struct.Struct("=IBBBBII")  # struct sock_extended_err: errno, origin, type, code, padding, info, data
_LARGEST = 1 << 16


@dataclass(frozen=True)
class Refusal:
    """Who said it, and the beginning of the packet that it is about, after its IP header."""

    sender: str
    about: bytes


def listen(talk: socket.socket) -> None:
    """Let every ICMP error about this socket's packets end its next call, not only those that the kernel calls fatal."""
    level, option = _RECVERR[talk.family]
    talk.setsockopt(level, option, 1)


def take(talk: socket.socket) -> Optional[Refusal]:
    """The oldest error of the queue; None where there is none."""
    try:
        about, ancillary, _, _ = talk.recvmsg(_LARGEST, 1024, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
    except OSError:
        return None
    for level, kind, data in ancillary:
        if (level, kind) == _RECVERR[talk.family]:
            return Refusal(_offender(talk.family, data[_ERROR.size :]), about)
    return None


def _offender(family: int, address: bytes) -> str:
    """The address in a struct sockaddr_in or sockaddr_in6 (SO_EE_OFFENDER); "" where the kernel names none."""
    if len(address) < 8 or struct.unpack_from("=H", address)[0] != family:  # noqa: PLR2004  (up to the IPv4 address)
        return ""
    start, size = (4, 4) if family == socket.AF_INET else (8, 16)
    return socket.inet_ntop(family, address[start : start + size])
