"""Packet filter tables of every backend in the calling thread's namespace. Nothing is made or loaded by asking."""

from __future__ import annotations

from contextlib import closing
from typing import Iterator, Optional

from node_helper.linux import iptables_legacy, iptables_nft, nfnetlink, nft_native
from node_helper.linux.nf_tables import FAMILIES, Tables
from node_helper.netfilter.attributes import Malformed
from node_helper.netfilter.legacy import HOOKS
from node_helper.netfilter.records import OF_IPTABLES, Destination, FilterTable, Table, Wanted
from node_helper.netfilter.xt_words import Undecodable

_SERVICES = "KUBE-SERVICES"
_PROXY = "kube-proxy"
_NOWHERE = (Destination("", 0, ""),)


def tables(*, nftables: bool) -> Iterator[FilterTable]:
    """Those that exist. Without `nftables` the kernel does not speak it, and asking would load it."""
    for family in FAMILIES:
        if nftables:
            yield from _nft_tables(family)
        for name in iptables_legacy.names(family):
            yield FilterTable("iptables-legacy", family, name, *_legacy(family, name))


def read(wanted: Wanted, *, nftables: bool) -> Optional[Table]:
    """What is wanted; None where there is no such table."""
    if wanted.backend == "iptables-legacy":
        return iptables_legacy.read(wanted)
    if not nftables:
        return None
    try:
        return nft_native.read(wanted) if wanted.backend == "nftables" else iptables_nft.read(wanted)
    except Undecodable as e:
        raise Malformed(f"a set of table {wanted.table} that is not understood: {e}") from e


def _nft_tables(family: str) -> Iterator[FilterTable]:
    with closing(nfnetlink.connect()) as netlink:
        tables = Tables(netlink, family)
        for name in tables.names():
            if name in OF_IPTABLES:
                rules = any(tables.used(name, hook) for hook in HOOKS)
                yield FilterTable("iptables-nft", family, name, rules, bool(tables.used(name, _SERVICES)))
            else:
                yield FilterTable("nftables", family, name, rules=True, services=name == _PROXY)


def _legacy(family: str, name: str) -> tuple[bool, bool]:
    """A table with entries of somebody's is read for kube-proxy's chain."""
    if iptables_legacy.rules(family, name) <= 0:
        return False, False
    found = iptables_legacy.read(Wanted("iptables-legacy", family, name, (_SERVICES,), _NOWHERE))
    return True, found is not None and bool(found.chains)
