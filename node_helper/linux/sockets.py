"""TCP and UDP sockets of the calling thread's namespace, from /proc/thread-self/net (proc_net_tcp; include/net/tcp_states.h)."""

from __future__ import annotations

import socket
import struct
from dataclasses import replace
from itertools import islice
from typing import Callable, Iterator, Optional, TextIO

from node_helper.linux.errors import translated
from node_helper.linux.netlink import Malformed
from node_helper.protocol import CannotLook
from node_helper.records import Socket

_TABLES = ("tcp", "tcp6", "udp", "udp6")
_STATES = {
    1: "ESTAB",
    2: "SYN-SENT",
    3: "SYN-RECV",
    4: "FIN-WAIT-1",
    5: "FIN-WAIT-2",
    6: "TIME-WAIT",
    7: "UNCONN",
    8: "CLOSE-WAIT",
    9: "LAST-ACK",
    10: "LISTEN",
    11: "CLOSING",
    12: "SYN-RECV",  # TCP_NEW_SYN_RECV
}
_MOST = 32 << 20
_SHORTEST = 100  # characters of a line
_AT_THE_DOOR = (["0A"], ["03"])  # LISTEN, SYN-RECV
_LOCAL, _REMOTE, _STATE, _QUEUES, _DROPS = 1, 2, 3, 4, 12


def read(*, waiting: bool = False) -> tuple[Socket, ...]:
    """Every socket of the four tables, in the kernel's order. ``budget`` above 32 MiB of text.

    `waiting`: of TCP's those that listen, and one more where there are others.
    """
    keep = {table: _those_at_the_door for table in ("tcp", "tcp6") if waiting}
    return tuple(found for table in _TABLES for found in parse(table, _text(table, keep.get(table, _whole))))


def listening(lines: Iterator[str]) -> Iterator[str]:
    """A table of TCP's from its head to the first socket that does not listen, which shows that there are others.

    Those that listen stand first (tcp_get_idx in net/ipv4/tcp_ipv4.c), before Linux 4.4 with those that are about to be accepted.
    """
    yield next(lines, "")
    for line in lines:
        yield line
        if line.split(None, _STATE + 1)[_STATE : _STATE + 1] not in _AT_THE_DOOR:
            return


def opposite(address: str, port: int) -> Optional[Socket]:
    """The TCP socket of this namespace that is connected with this local end of another one; None where it is not here.

    IPv4 is told as that, also of a socket of IPv6's.
    """
    ours, mark = _unmapped(address), f":{port:04X} "
    for table in ("tcp", "tcp6"):
        text = _text(table, lambda file: next(file, "") + "".join(line for line in file if mark in line))
        for found in parse(table, text):
            if (found.remote_port, _unmapped(found.remote)) == (port, ours):
                return replace(found, local=_unmapped(found.local), remote=ours)
    return None


def parse(table: str, text: str) -> Iterator[Socket]:
    """The sockets in the text of one table. Raises `Malformed`."""
    for line in text.splitlines()[1:]:
        words = line.split()
        try:
            yield _socket(table, words)
        except (ValueError, IndexError, KeyError) as e:
            raise Malformed(f"/proc/net/{table} has a line that is no socket: {line[:80]!r}") from e


def _text(table: str, keep: Callable[[TextIO], str]) -> str:
    """What is kept of a table, ``budget`` above 32 MiB; of tcp6 and udp6 nothing where this kernel has no IPv6."""
    path = f"/proc/thread-self/net/{table}"
    with translated(path):
        try:
            with open(path, encoding="ascii", errors="backslashreplace") as file:
                text = keep(file)
        except FileNotFoundError:
            return ""
    if len(text) > _MOST:
        raise CannotLook(f"{path} has more than {_MOST >> 20} MiB", kind="budget", fix="count sockets instead of listing them")
    return text


def _whole(file: TextIO) -> str:
    return file.read(_MOST + 1)


def _those_at_the_door(file: TextIO) -> str:
    return "".join(islice(listening(file), _MOST // _SHORTEST))


def _unmapped(address: str) -> str:
    """An IPv4 address as itself where a socket of IPv6's has it (RFC 4291 2.5.5.2)."""
    return address.removeprefix("::ffff:") if "." in address else address


def _socket(table: str, words: list[str]) -> Socket:
    local, local_port = _end(words[_LOCAL])
    remote, remote_port = _end(words[_REMOTE])
    sending, receiving = words[_QUEUES].split(":")
    drops = int(words[_DROPS]) if table.startswith("udp") else 0
    state = _STATES[int(words[_STATE], 16)]
    return Socket(table, state, local, local_port, remote, remote_port, int(receiving, 16), int(sending, 16), drops)


def _end(text: str) -> tuple[str, int]:
    digits, port = text.split(":")
    family = socket.AF_INET if len(digits) == 8 else socket.AF_INET6  # noqa: PLR2004  (hex digits of an IPv4 address)
    words = [int(digits[at : at + 8], 16) for at in range(0, len(digits), 8)]
    return socket.inet_ntop(family, struct.pack(f"={len(words)}I", *words)), int(port, 16)
