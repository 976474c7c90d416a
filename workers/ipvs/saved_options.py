"""The lines of `ipvsadm-save -n`: the options with which each virtual and real server is made again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import pairwise

from node_helper.ipvs import RealServer, VirtualServer
from workers.ipvs.errors import Malformed
from workers.ipvs.saved_words import address, family_of, mark, number, unread, word

_SERVICES = {"-t": "TCP", "-u": "UDP", "--sctp-service": "SCTP"}
_MARKS = frozenset({"-f"})
_FORWARD = {"-m": "Masq", "-i": "Tunnel", "-g": "Route"}
_IPV6 = frozenset({"-6"})
_SILENT = frozenset({"--tun-nocsum", "--tun-csum", "--tun-remcsum"})
_WHOLE = {4: "255.255.255.255", 6: "128"}
_DEFAULT_PERSISTENCE = 300  # seconds; what -p without a number means


def read_options(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, VirtualServer, bool]]:
    """Each virtual server, and again with one real server for each of those; with its line, and whether it is new."""
    for at, line in lines:
        command, *words = line.split()
        if command == "-A":
            yield at, _server(at, words), True
        elif command == "-a":
            yield at, _with_real(at, words), False
        else:
            raise unread(at, line)


class _Words:
    """Options one after the other, each with the words that follow it."""

    def __init__(self, words: list[str]) -> None:
        self._words = words[::-1]

    def __iter__(self) -> Iterator[str]:
        while self._words:
            yield self._words.pop()

    def value(self) -> str:
        """The word after an option; "" where there is none."""
        return "" if not self._words or self._words[-1].startswith("-") else self._words.pop()


def _server(at: int, said: list[str]) -> VirtualServer:
    server, words = _key(at, said), _Words(said)
    for option in words:
        if option in ("-o", "ops"):
            server = replace(server, ops=True)
        elif option in _OF_SERVER:
            server = _OF_SERVER[option](server, at, words.value())
        elif option in _SERVICES or option in _MARKS:
            words.value()
        elif option not in _IPV6:
            raise unread(at, option)
    return server


def _with_real(at: int, said: list[str]) -> VirtualServer:
    server, words = _key(at, said), _Words(said)
    real = RealServer("", 0, "Route", 1)  # what ipvsadm makes where nothing else is said
    for option in words:
        if option in _FORWARD:
            real = replace(real, forward=_FORWARD[option])
        elif option in _OF_REAL:
            real = _OF_REAL[option](real, at, words.value())
        elif option in _SERVICES or option in _MARKS:
            words.value()
        elif option not in _IPV6 and option not in _SILENT:
            raise unread(at, option)
    if not real.address:
        raise Malformed("no -r says which real server", at)
    return replace(server, real_servers=(real,))


def _persistent(server: VirtualServer, at: int, text: str) -> VirtualServer:
    seconds = number(at, text) if text else _DEFAULT_PERSISTENCE
    return replace(server, persistence=seconds, netmask=server.netmask or _WHOLE[server.family])


def _ignored(real: RealServer, _port: int) -> RealServer:
    """The port of a tunnel says nothing about where packets go."""
    return real


def _at_address(real: RealServer, at: int, text: str) -> RealServer:
    host, port = address(at, text)
    return replace(real, address=host, port=port)


_OF_SERVER: dict[str, Callable[[VirtualServer, int, str], VirtualServer]] = {
    "-s": lambda server, at, text: replace(server, scheduler=word(at, text)),
    "-p": _persistent,
    "-M": lambda server, at, text: replace(server, netmask=word(at, text)),
    "-b": lambda server, at, text: replace(server, flags=tuple(word(at, text).split(","))),
    "--pe": lambda server, at, text: replace(server, engine=word(at, text)),
}
_OF_REAL: dict[str, Callable[[RealServer, int, str], RealServer]] = {
    "-r": _at_address,
    "-w": lambda real, at, text: replace(real, weight=number(at, text)),
    "-x": lambda real, at, text: replace(real, upper=number(at, text)),
    "-y": lambda real, at, text: replace(real, lower=number(at, text)),
    "--tun-type": lambda real, at, text: replace(real, tunnel=word(at, text)),
    "--tun-port": lambda real, at, text: _ignored(real, number(at, text)),
}


def _key(at: int, said: list[str]) -> VirtualServer:
    """The virtual server that a line is about, and nothing else of it."""
    for option, value in pairwise(said):
        if option in _SERVICES:
            host, port = address(at, value)
            return VirtualServer(family_of(host), _SERVICES[option], host, port, "")
        if option in _MARKS:
            return VirtualServer(6 if _IPV6.intersection(said) else 4, "", "", 0, "", mark(at, value))
    raise Malformed("neither -t, -u, --sctp-service nor -f says which virtual server", at)
