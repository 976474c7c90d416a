"""What the kernel's errors say about an attempt, and where an address is."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import time
from typing import Optional, Union

from node_helper.records import Reply

_OUTCOMES = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.EPIPE: "reset",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.ENETDOWN: "unreachable",
    errno.EHOSTDOWN: "unreachable",
    errno.EADDRNOTAVAIL: "unreachable",  # no source address of that family
    errno.ENOPROTOOPT: "unreachable",  # ICMP protocol unreachable
    errno.EACCES: "unreachable",  # a prohibit route, or a firewall on the way said so
    errno.EPERM: "unreachable",  # a rule of the namespace drops it on the way out
    errno.EINVAL: "unreachable",  # a blackhole route
    errno.EAFNOSUPPORT: "unreachable",  # this kernel has no IPv6
    errno.ENODEV: "unreachable",  # the device of a link-local address is not there
    errno.ETIMEDOUT: "timeout",
}
Address = Union[tuple[str, int], tuple[str, int, int, int]]


def outcome(error: OSError) -> Optional[str]:
    """The word for an error; None for one that says nothing about the network."""
    return _OUTCOMES.get(error.errno or 0)


def failed(error: OSError, started: float, sender: str = "") -> Reply:
    """The reply that an error is; raises the error where it says nothing about the network."""
    word = outcome(error)
    if word is None:
        raise error
    return Reply(word, time.monotonic() - started, sender=sender)


def place(address: str, port: int) -> tuple[socket.AddressFamily, Address]:
    """The family and socket address of a literal address such as "fe80::1%eth0"; its scope is one of this thread's namespace."""
    if ipaddress.ip_address(address).version == 4:  # noqa: PLR2004  (IPv4)
        return socket.AF_INET, (address, port)
    if not os.path.exists("/proc/thread-self/net/if_inet6"):  # making the socket would load the module
        raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
    bare, _, device = address.partition("%")
    return socket.AF_INET6, (bare, port, 0, _index(device) if device else 0)


def _index(scope: str) -> int:
    """The index of a device that a pod's file names by name or number. Raises `OSError`."""
    if scope.isascii() and scope.isdigit() and len(scope) < 10:  # noqa: PLR2004  (int32)
        return int(scope)
    try:
        return socket.if_nametoindex(scope)
    except (OSError, ValueError):  # of Python's own making before 3.13, without a number; ValueError for what no device is called
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV)) from None
