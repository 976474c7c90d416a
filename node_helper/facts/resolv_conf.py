"""What a process finds in its /etc/resolv.conf, read as glibc reads it (resolv.conf(5), resolv/res_init.c)."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import Optional

from node_helper.dns.names import to_wire
from node_helper.kernel import Kernel
from node_helper.protocol import CannotLook, Fact

_PATH = "/etc/resolv.conf"
_LIMIT = 64 * 1024
_MOST_SERVERS = 3  # MAXNS in resolv.h; those that are no addresses do not count
_SHORT = re.compile(r"[0-9A-Fa-fxX.]+")  # what inet_aton takes


@dataclass(frozen=True)
class Query:
    """Whose file: a process id on the node."""

    pid: int


@dataclass(frozen=True)
class ResolvConf:
    """The first three nameservers that are addresses, the last `search` or `domain`, options in order, the text as it is.

    Text and options are the pod's own and therefore hostile; a domain that DNS cannot hold is left out: no query would hold it.
    """

    nameservers: tuple[str, ...]
    search: tuple[str, ...]
    options: tuple[str, ...]
    text: str


def collect(kernel: Kernel, query: Query) -> ResolvConf:
    """Read the file without leaving the root of the process. ``missing`` where it has none."""
    text = kernel.read_inside(query.pid, _PATH, _LIMIT)
    if text is None:
        raise CannotLook(
            f"process {query.pid} sees no {_PATH}",
            kind="missing",
            fix="without the file the C library asks 127.0.0.1; check the image and the pod's dnsPolicy",
        )
    return parse(text)


def parse(text: str) -> ResolvConf:
    """The directives of the file. Lines that begin with a blank, '#' or ';' and unknown directives say nothing.

    Blanks and tabs alone part words: a carriage return at the end of a line belongs to its last word, and spoils it.
    """
    nameservers: list[str] = []
    options: list[str] = []
    search: tuple[str, ...] = ()
    for line in text.split("\n"):
        words = re.findall(r"[^ \t]+", line)
        if not words[1:] or line[0] in "#; \t":
            continue
        if words[0] == "nameserver":
            server = _address(words[1])
            nameservers += [server] if server and len(nameservers) < _MOST_SERVERS else []
        elif words[0] == "options":
            options += words[1:]
        elif words[0] in ("search", "domain"):
            search = tuple(words[1:]) if words[0] == "search" else (words[1],)
    return ResolvConf(tuple(nameservers), tuple(filter(_is_name, search)), tuple(options), text)


def _address(text: str) -> Optional[str]:
    """The address; None for what is none. IPv4 may be short, octal or hexadecimal (inet_aton(3)): 10.1 is 10.0.0.1."""
    try:
        return socket.inet_ntoa(socket.inet_aton(text)) if _SHORT.fullmatch(text) else str(ipaddress.ip_address(text))
    except (OSError, ValueError):
        return None


def _is_name(text: str) -> bool:
    try:
        to_wire(text)
    except ValueError:
        return False
    return True


FACT = Fact(name="resolv_conf", query=Query, answer=ResolvConf, collect=collect)
