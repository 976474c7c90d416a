"""Tables of legacy iptables, through the socket options that iptables-legacy uses (net/ipv4/netfilter/ip_tables.c).

Asking for a table makes it, so /proc/net/ip_tables_names is read first. The kernel hands out whole tables only: each is kept for
a moment, and used again while the kernel's own word about it (IPT_SO_GET_INFO) is the same.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
import sys
import threading
import time
from dataclasses import dataclass
from typing import Optional

from node_helper.linux import files
from node_helper.linux.netlink import Malformed
from node_helper.netfilter.about import About, leads
from node_helper.netfilter.legacy import HOOKS, INFO, Blob
from node_helper.netfilter.records import Chain, Table, Wanted
from node_helper.netfilter.ways import ways
from node_helper.protocol import CannotLook

MOST_CHAINS = 4000
KEPT_S = 3.0
"""Seconds for which a table may be used again. A change that keeps number and size of its rules shows this much later."""
_NAMES = {"ip": "/proc/thread-self/net/ip_tables_names", "ip6": "/proc/thread-self/net/ip6_tables_names"}
_FAMILIES = {"ip": (socket.AF_INET, socket.IPPROTO_IP), "ip6": (socket.AF_INET6, socket.IPPROTO_IPV6)}
_GET_INFO, _GET_ENTRIES = 64, 65
_ENTRIES_HEAD = struct.Struct("=32sI4x")
_MOST_BYTES = 256 << 20
"""Of one table that is read, and of all that are kept."""
_TRIES = 5
_libc = ctypes.CDLL(None, use_errno=True)  # socket.getsockopt cannot hand the kernel what is asked


_SO_NETNS_COOKIE = 71  # asm-generic/socket.h

_Place = tuple[int, str, str]
"""A network namespace, a family, a table."""


@dataclass(frozen=True)
class _Kept:
    info: bytes
    blob: Blob
    at: float


_kept: dict[_Place, _Kept] = {}
_lock = threading.Lock()
_reading = threading.Lock()  # a table of ten thousand services is 70 MB: questions that come together share one copy


def names(family: str) -> tuple[str, ...]:
    """The tables that exist, which is told without making one."""
    said = files.read(_NAMES[family], 1 << 12)
    return tuple((said or "").split())


def read(wanted: Wanted) -> Optional[Table]:
    """What is wanted; None where there is no such table. ``budget`` where it or its chains are too much."""
    if wanted.table not in names(wanted.family):
        return None
    family = _FAMILIES[wanted.family][0]
    blob = _blob(wanted.family, wanted.table)
    about = About(wanted.only, family) if wanted.only else None
    if wanted.bare:
        return Table(wanted.family, wanted.table, tuple(Chain(name, ()) for name in blob.names))
    if not wanted.chains:
        return Table(wanted.family, wanted.table, tuple(filter(None, map(blob.chain, blob.names))))
    found: Optional[list[Chain]] = blob.reach(wanted.chains, about, MOST_CHAINS)
    if found is None:
        raise CannotLook(f"the chains lead to more than {MOST_CHAINS} others", kind="budget", fix="Ask for one service.")
    near = {chain.name for chain in found}
    found += [c for c in ways(wanted.bases, wanted.chains, blob.chain, leads) if c.name not in near]
    return Table(wanted.family, wanted.table, tuple(found))


def rules(family: str, table: str) -> int:
    """How many entries a table has beside the ends of its hooks and its own end."""
    kind, level = _FAMILIES[family]
    with socket.socket(kind, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_RAW) as asking:
        _, hooks, *_, number, _ = INFO.unpack(_ask(asking, level, _GET_INFO, bytearray(table.encode().ljust(INFO.size, b"\0"))))
    extra: int = number - sum(hooks >> at & 1 for at in range(len(HOOKS))) - 1
    return extra


def forget() -> None:
    """Give the memory of the kept tables back."""
    with _lock:
        _kept.clear()


def _anew() -> None:
    """In a child that was forked: whoever held a lock is not there to give it back."""
    global _lock, _reading
    _lock, _reading = threading.Lock(), threading.Lock()


os.register_at_fork(after_in_child=_anew)


def _blob(family: str, table: str) -> Blob:
    kind, level = _FAMILIES[family]
    with _reading, socket.socket(kind, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_RAW) as asking:
        place = (_namespace(asking), family, table)
        for _ in range(_TRIES):
            info = _ask(asking, level, _GET_INFO, bytearray(table.encode().ljust(INFO.size, b"\0")))
            blob = _usable(place, info)
            if blob is not None:
                return blob
            began, entries = time.monotonic(), _entries(asking, level, table, INFO.unpack(info)[-1])
            if entries is not None:
                return _keep(place, _Kept(bytes(info), Blob(bytes(info), entries, kind), began))
    raise CannotLook(f"table {table} changed during each of {_TRIES} readings", kind="timeout", fix="ask again")


def _namespace(asking: socket.socket) -> int:
    """Its cookie, which is no other's ever; before Linux 5.14 its inode, which may be another's later."""
    try:
        return int.from_bytes(asking.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8), sys.byteorder)
    except OSError:
        return os.stat("/proc/thread-self/ns/net").st_ino


def _usable(place: _Place, info: bytearray) -> Optional[Blob]:
    """The kept table, while it is the kernel's; else it is given up before the new one needs its room."""
    with _lock:
        kept = _kept.get(place)
        if kept and kept.info == info and time.monotonic() - kept.at < KEPT_S:
            return kept.blob
        _kept.pop(place, None)
        return None


def _keep(place: _Place, kept: _Kept) -> Blob:
    with _lock:
        _kept[place] = kept
        while sum(len(each.blob) for each in _kept.values()) > _MOST_BYTES:
            del _kept[next(iter(_kept))]
    timer = threading.Timer(KEPT_S, _drop, (place, kept.at))  # not the table itself, which may be given up before
    timer.daemon = True
    timer.start()
    return kept.blob


def _drop(place: _Place, at: float) -> None:
    with _lock:
        if place in _kept and _kept[place].at == at:
            del _kept[place]


def _entries(asking: socket.socket, level: int, table: str, size: int) -> Optional[bytearray]:
    """The table's entries; None where it has another size by now."""
    if size > _MOST_BYTES:
        raise CannotLook(f"table {table} has more than {_MOST_BYTES >> 20} MiB", kind="budget")
    question = bytearray(_ENTRIES_HEAD.size + size)
    _ENTRIES_HEAD.pack_into(question, 0, table.encode(), size)
    try:
        answer = _ask(asking, level, _GET_ENTRIES, question)
    except OSError as e:
        if e.errno not in (errno.EAGAIN, errno.EINVAL):
            raise
        return None
    del answer[: _ENTRIES_HEAD.size]
    return answer


def _ask(asking: socket.socket, level: int, option: int, question: bytearray) -> bytearray:
    """What the kernel writes over a question, which it is. Raises `OSError`."""
    size = ctypes.c_uint32(len(question))
    place = (ctypes.c_char * len(question)).from_buffer(question)
    failed = _libc.getsockopt(asking.fileno(), level, option, place, ctypes.byref(size))
    del place  # while it is there, the question keeps its length
    if failed:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    if size.value != len(question):
        raise Malformed(f"{size.value} bytes where {len(question)} belong")
    return question
