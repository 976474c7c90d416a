"""The lines of `ipvsadm -Ln`: two titles, then each virtual server with its real servers below it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from node_helper.ipvs import RealServer, VirtualServer
from workers.ipvs.errors import Malformed
from workers.ipvs.saved_words import address, family_of, mark, number, unread, word

_TITLES = ("IP Virtual Server version ", "Prot LocalAddress:Port", "-> RemoteAddress:Port")
_SERVER = re.compile(r"(TCP|UDP|SCTP|FWM) +(\S+)( IPv6)? ([a-z0-9_-]+)((?: \S+)*)")
_REAL = re.compile(r"-> (\S+) +(Masq|Local|Tunnel|Route|Bypass) +([0-9]+) +([0-9]+) +([0-9]+)")
_FLAGS = re.compile(r"\(([a-z0-9,-]+)\)")
_WHOLE = {4: "255.255.255.255", 6: "128"}


def read_listing(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, VirtualServer, bool]]:
    """Each virtual server, and again with one real server for each of those; with its line, and whether it is new."""
    server: VirtualServer | None = None
    for at, line in lines:
        text = line.strip()
        if text.startswith(_TITLES):
            continue
        if not text.startswith("->"):
            server = _server(at, text)
            yield at, server, True
        elif server is None:
            raise Malformed("a real server comes before every virtual server", at)
        else:
            yield at, replace(server, real_servers=(_real(at, text, server),)), False


def _server(at: int, text: str) -> VirtualServer:
    said = _SERVER.fullmatch(text)
    if said is None:
        raise unread(at, text)
    protocol, name, ipv6, scheduler, rest = said.groups()
    if protocol == "FWM":
        bare = VirtualServer(6 if ipv6 else 4, "", "", 0, scheduler, mark(at, name))
    elif ipv6:
        raise unread(at, text)
    else:
        host, port = address(at, name)
        bare = VirtualServer(family_of(host), protocol, host, port, scheduler)
    return _with_options(at, bare, rest.split())


def _with_options(at: int, server: VirtualServer, words: list[str]) -> VirtualServer:
    left = iter(words)
    for option in left:
        flags = _FLAGS.fullmatch(option)
        if option == "persistent":
            server = replace(server, persistence=number(at, next(left, "")), netmask=_WHOLE[server.family])
        elif option == "mask":
            server = replace(server, netmask=word(at, next(left, "")))
        elif option == "pe":
            server = replace(server, engine=word(at, next(left, "")))
        elif option == "ops":
            server = replace(server, ops=True)
        elif flags:
            server = replace(server, flags=tuple(flags[1].split(",")))
        else:
            raise unread(at, option)
    return server


def _real(at: int, text: str, server: VirtualServer) -> RealServer:
    said = _REAL.fullmatch(text)
    if said is None:
        raise unread(at, text)
    host, port = address(at, said[1])
    if family_of(host) != server.family and said[2] != "Tunnel":
        raise Malformed(f"{host} is of another family than its virtual server {server}", at)
    return RealServer(host, port, said[2], number(at, said[3]), active=number(at, said[4]), inactive=number(at, said[5]))
