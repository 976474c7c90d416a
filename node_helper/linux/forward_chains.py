"""Every chain of the calling thread's namespace that decides over forwarded packets, with its policy; nothing is made by asking.

nftables tells them by netlink (linux/netfilter/nf_tables.h), and so come those of iptables-nft; a legacy table is read as its
blob (linux/netfilter_ipv4/ip_tables.h), and only when it exists: asking for one that does not would make it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from contextlib import closing
from typing import Iterator, Optional

from node_helper.linux import files, nfnetlink
from node_helper.linux.netlink import Malformed, Netlink, attribute, attributes, unpack
from node_helper.linux.rtnetlink.links import text
from node_helper.records import ForwardChain

_GET_TABLE, _GET_CHAIN = nfnetlink.kind(nfnetlink.NFTABLES, 1), nfnetlink.kind(nfnetlink.NFTABLES, 4)
_FAMILIES = {1: "inet", 2: "ip", 10: "ip6"}
_TABLE_NAME, _TABLE_USE = 1, 3
_TABLE, _NAME, _HOOK, _POLICY, _COUNTERS = 1, 3, 4, 5, 8
_HOOK_NUMBER, _HOOK_PRIORITY = 1, 2
_BYTES, _PACKETS = 1, 2
_FORWARD = 2  # NF_INET_FORWARD
_U32, _I32, _U64 = struct.Struct(">I"), struct.Struct(">i"), struct.Struct(">Q")
_MOST_USED = 4096
_POLICIES = {0: "DROP", 1: "ACCEPT"}
_libc = ctypes.CDLL(None, use_errno=True)


def read(*, nftables: bool) -> Iterator[ForwardChain]:
    """Those of nftables where the kernel speaks it, and of legacy tables that exist."""
    if nftables:
        with closing(nfnetlink.connect()) as netlink:
            yield from _by_netlink(netlink)
    for form in _LEGACY:
        names = files.read(form.names, 1 << 12) or ""
        if "filter" in names.split():
            yield _legacy(form)


def _by_netlink(netlink: Netlink) -> Iterator[ForwardChain]:
    """In tables of very many chains, such as kube-proxy's, only iptables' own one is looked for: a dump costs by the chain.

    The kernel dumps the chains of all tables of a family, whichever of them is meant: once is enough.
    """
    small: dict[int, set[str]] = {}
    for body in netlink.dump(_GET_TABLE, nfnetlink.head(0)):
        family, found = body[0], attributes(body, nfnetlink.HEAD_SIZE)
        if family not in _FAMILIES:
            continue
        name = found.get(_TABLE_NAME, b"")
        if unpack(_U32, found.get(_TABLE_USE, bytes(4)))[0] > _MOST_USED:
            yield from _one(netlink, family, name)
        else:
            small.setdefault(family, set()).add(text(name))
    for family, names in small.items():
        bodies = netlink.dump(_GET_CHAIN, nfnetlink.head(family))
        yield from (chain for each in bodies for chain in decode(each) if chain.table in names)


def _one(netlink: Netlink, family: int, table: bytes) -> Iterator[ForwardChain]:
    try:
        body = netlink.get(_GET_CHAIN, nfnetlink.head(family) + attribute(_TABLE, table) + attribute(_NAME, b"FORWARD\0"))
    except OSError as e:
        if e.errno != errno.ENOENT:
            raise
        return
    yield from decode(body)


def decode(body: bytes) -> Iterator[ForwardChain]:
    """The chain of one NFT_MSG_NEWCHAIN where it hangs on the forward hook of IP. Raises `Malformed`."""
    found = attributes(body, nfnetlink.HEAD_SIZE)
    if _HOOK not in found or not body or body[0] not in _FAMILIES:
        return
    hook = attributes(found[_HOOK])
    if unpack(_U32, hook.get(_HOOK_NUMBER, b""))[0] != _FORWARD:
        return
    counters = attributes(found.get(_COUNTERS, b""))
    yield ForwardChain(
        backend="nftables",
        family=_FAMILIES[body[0]],
        table=text(found.get(_TABLE, b"")),
        name=text(found.get(_NAME, b"")),
        priority=unpack(_I32, hook.get(_HOOK_PRIORITY, b""))[0],
        policy=_POLICIES.get(unpack(_U32, found[_POLICY])[0], "") if _POLICY in found else "ACCEPT",
        packets=unpack(_U64, counters[_PACKETS])[0] if _PACKETS in counters else None,
        bytes=unpack(_U64, counters[_BYTES])[0] if _BYTES in counters else None,
    )


class _Form:
    """Where the two families differ: struct ipt_entry and struct ip6t_entry, and how each is asked for."""

    def __init__(self, family: str, level: int, target_at: int, counters_at: int) -> None:
        self.family = family
        self.domain = socket.AF_INET if family == "ip" else socket.AF_INET6
        self.names = f"/proc/thread-self/net/{family}_tables_names"
        self.level = level
        self.target_at = target_at
        self.counters_at = counters_at


_LEGACY = (_Form("ip", 0, 88, 96), _Form("ip6", 41, 140, 152))  # SOL_IP, SOL_IPV6
_GET_INFO, _GET_ENTRIES = 64, 65
_INFO = struct.Struct("=32sI5I5III")  # struct ipt_getinfo: name, hooks, entries of hooks, underflows, number, size
_ENTRIES_AT = 40  # of struct ipt_get_entries: name and size, padded
_TARGET_OFFSET, _COUNTER_FORM, _VERDICT = struct.Struct("=H"), struct.Struct("=QQ"), struct.Struct("=i")
_VERDICT_AT = 32  # of struct xt_standard_target
_VERDICTS = {-1: "DROP", -2: "ACCEPT"}  # -NF_DROP - 1, -NF_ACCEPT - 1


def _legacy(form: _Form) -> ForwardChain:
    with socket.socket(form.domain, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_RAW) as raw:
        info = _get(raw, form.level, _GET_INFO, _INFO.pack(b"filter", *[0] * 13))
        numbers = _INFO.unpack(info)
        underflow, size = numbers[7 + _FORWARD], numbers[-1]
        blob = _get(raw, form.level, _GET_ENTRIES, struct.pack("=32sII", b"filter", size, 0) + bytes(size))
    return legacy_policy(form.family, blob[_ENTRIES_AT:], underflow)


def legacy_policy(family: str, blob: bytes, underflow: int) -> ForwardChain:
    """The policy that stands at the end of a built-in chain, and its counters. Raises `Malformed`."""
    form = next(each for each in _LEGACY if each.family == family)
    target = underflow + unpack(_TARGET_OFFSET, blob, underflow + form.target_at)[0]
    packets, size = unpack(_COUNTER_FORM, blob, underflow + form.counters_at)
    verdict = unpack(_VERDICT, blob, target + _VERDICT_AT)[0]
    if verdict not in _VERDICTS:
        raise Malformed(f"the policy of a legacy chain is {verdict}")
    return ForwardChain("iptables-legacy", family, "filter", "FORWARD", 0, _VERDICTS[verdict], packets, size)


def _get(raw: socket.socket, level: int, option: int, room: bytes) -> bytes:
    """getsockopt(2) with more room than Python's allows."""
    buffer, length = ctypes.create_string_buffer(room, len(room)), ctypes.c_uint32(len(room))
    if _libc.getsockopt(raw.fileno(), level, option, buffer, ctypes.byref(length)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return buffer.raw


def spoken(modules: Optional[str], built_in: str) -> bool:
    """Whether the kernel speaks nftables without loading it, by /proc/modules (None: it has no modules) and modules.builtin."""
    if modules is None:
        return True
    return any(line.startswith("nf_tables ") for line in modules.splitlines()) or "/nf_tables.ko" in built_in
