"""IPVS's connections, from /proc/thread-self/net/ip_vs_conn (ip_vs_conn_seq_show in net/netfilter/ipvs/ip_vs_conn.c).

Lines are summed up as they come: a busy node has a million.
"""

from __future__ import annotations

import socket
from typing import Iterable, Iterator, Optional, Sequence

from node_helper.ipvs import Connection, Connections, Towards, Virtual
from node_helper.linux.netlink import Malformed
from node_helper.protocol import CannotLook
from node_helper.stop import Stop

_PATH = "/proc/thread-self/net/ip_vs_conn"
_PROTOCOL, _VIRTUAL, _DESTINATION, _STATE, _EXPIRES = 0, slice(3, 5), slice(5, 7), 7, 8
_HEX_OF_IPV4 = 8
_MOST_SUMS = 100_000
_LINES_A_LOOK = 4096
_Key = tuple[bytes, ...]


def read(only: Optional[Sequence[Virtual]], most: int, stop: Stop) -> Optional[Connections]:
    """Those through `only`, or all; None where there is no such table.

    Raises `OSError`, `Malformed`, and `CannotLook` (``budget``).
    """
    try:
        with open(_PATH, "rb") as file:
            next(file, b"")  # the titles
            return tally(_watched(file, stop), only, most)
    except FileNotFoundError:
        return None


def tally(lines: Iterable[bytes], only: Optional[Sequence[Virtual]] = None, most: int = 0) -> Connections:
    """The connections in the lines of the table, its titles left out. Raises `Malformed`, and `CannotLook` (``budget``)."""
    wanted = None if only is None else {(v.protocol, _packed(v.address), v.port) for v in only}
    skipped: dict[_Key, bool] = {}
    sums: dict[_Key, list[int]] = {}
    entries: list[Connection] = []
    total = 0
    for line in lines:
        words = line.split()
        if len(words) <= _EXPIRES:
            raise _strange(line)
        key = (words[_PROTOCOL], *words[_VIRTUAL], *words[_DESTINATION], words[_STATE])
        if wanted is not None:
            through = key[:3]
            if through not in skipped:
                skipped[through] = _virtual(line, through) not in wanted
            if skipped[through]:
                continue
        total += 1
        _add(sums, key, _expires(line, words[_EXPIRES]))
        if len(entries) < most:
            entries.append(_entry(line, words))
    return Connections(total, tuple(_towards(key, *sum_) for key, sum_ in sums.items()), tuple(entries))


def _add(sums: dict[_Key, list[int]], key: _Key, expires: int) -> None:
    known = sums.get(key)
    if known is None:
        if len(sums) == _MOST_SUMS:
            raise CannotLook(
                f"IPVS has more than {_MOST_SUMS} pairs of server and destination", kind="budget", fix="ask for one service"
            )
        sums[key] = [1, expires]
    else:
        known[0] += 1
        known[1] = max(known[1], expires)


def _towards(key: _Key, connections: int, longest: int) -> Towards:
    protocol, virtual, virtual_port, destination, destination_port, state = key
    line = b" ".join(key)
    return Towards(
        protocol=protocol.decode(errors="backslashreplace"),
        virtual=_address(line, virtual),
        virtual_port=_port(line, virtual_port),
        destination=_address(line, destination),
        destination_port=_port(line, destination_port),
        state=state.decode(errors="backslashreplace"),
        connections=connections,
        longest=longest,
    )


def _entry(line: bytes, words: Sequence[bytes]) -> Connection:
    protocol, source, source_port, virtual, virtual_port, destination, destination_port, state, expires = words[: _EXPIRES + 1]
    return Connection(
        protocol=protocol.decode(errors="backslashreplace"),
        source=_address(line, source),
        source_port=_port(line, source_port),
        virtual=_address(line, virtual),
        virtual_port=_port(line, virtual_port),
        destination=_address(line, destination),
        destination_port=_port(line, destination_port),
        state=state.decode(errors="backslashreplace"),
        expires=_expires(line, expires),
    )


def _virtual(line: bytes, through: _Key) -> tuple[str, bytes, int]:
    protocol, address, port = through
    return protocol.decode(errors="backslashreplace"), _packed(_address(line, address)), _port(line, port)


def _packed(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def _address(line: bytes, word: bytes) -> str:
    """IPv4 is eight hex digits, IPv6 has its colons; both come out as inet_ntop(3) writes them."""
    try:
        if len(word) == _HEX_OF_IPV4 and b":" not in word:
            return socket.inet_ntop(socket.AF_INET, bytes.fromhex(word.decode("ascii")))
        return socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, word.decode("ascii")))
    except (ValueError, OSError) as e:
        raise _strange(line) from e


def _port(line: bytes, word: bytes) -> int:
    try:
        port = int(word, 16)
    except ValueError as e:
        raise _strange(line) from e
    if not 0 <= port <= 0xFFFF:  # noqa: PLR2004  (the largest port)
        raise _strange(line)
    return port


def _expires(line: bytes, word: bytes) -> int:
    if not word.isdigit():
        raise _strange(line)
    return int(word)


def _strange(line: bytes) -> Malformed:
    return Malformed(f"ip_vs_conn has a line that is no connection: {line[:100]!r}")


def _watched(lines: Iterable[bytes], stop: Stop) -> Iterator[bytes]:
    for number, line in enumerate(lines):
        if number % _LINES_A_LOOK == 0:
            stop.check()
        yield line
