"""The neighbour tables as wholes (RTM_GETNEIGHTBL, linux/neighbour.h): they are one for all namespaces of the machine.

Since Linux 5.0 (58956317c8de) permanent entries and those that something else learnt (a CNI's, one a node) are never collected,
and are not counted where a table has room or not; RTM_GETNEIGHTBL counts them with the others.
"""

from __future__ import annotations

import os
import re
import socket
import struct
from dataclasses import replace
from typing import Optional

from node_helper.linux.netlink import Malformed, Netlink, attributes, unpack
from node_helper.linux.rtnetlink import neighbours
from node_helper.linux.rtnetlink.links import text
from node_helper.records import NeighbourTable

_GET = 66
_HEADER = struct.Struct("=Bxxx")  # struct ndtmsg: family
_NAME, _THRESHOLDS, _CONFIG, _STATS = 1, (2, 3, 4), 5, 7
_U32 = struct.Struct("=I")
_CONFIG_FORM = struct.Struct("=HHI")  # the head of struct ndt_config: key length, entry size, entries
_STATS_FORM = struct.Struct("=10Q")  # struct ndt_stats: allocs, destroys, hash_grows, res_failed, ... forced_gc_runs
_FULL = struct.Struct("=Q")  # ndts_table_fulls, which kernels since 4.3 have after those
_FORCED = 9
_FAMILIES = {"arp_cache": socket.AF_INET, "ndisc_cache": socket.AF_INET6}
_EXEMPT_SINCE = 5


def read(netlink: Netlink) -> tuple[NeighbourTable, ...]:
    """Every table, such as arp_cache and ndisc_cache; the settings of single devices are left out."""
    found = (decode(body) for body in netlink.dump(_GET, _HEADER.pack(0)))
    return tuple(_weighed(netlink, table) for table in found if table is not None)


def exempts(release: str) -> bool:
    """Whether a kernel of this release (uname -r) counts such entries apart."""
    major = re.match(r"\d+", release, re.ASCII)
    return major is not None and int(major[0]) >= _EXEMPT_SINCE


def _weighed(netlink: Netlink, table: NeighbourTable) -> NeighbourTable:
    family = _FAMILIES.get(table.name)
    if family is None or table.entries < table.thresholds[-1] or not exempts(os.uname().release):
        return table
    return replace(table, exempt=neighbours.exempt(netlink, family))


def decode(body: bytes) -> Optional[NeighbourTable]:
    """The table of one RTM_NEWNEIGHTBL; None where it tells only what one device has of its own. Raises `Malformed`."""
    unpack(_HEADER, body)
    found = attributes(body, _HEADER.size)
    if _CONFIG not in found:
        return None
    stats = found.get(_STATS, b"")
    if not found.get(_NAME):
        raise Malformed("a neighbour table without a name")
    return NeighbourTable(
        name=text(found[_NAME]),
        entries=unpack(_CONFIG_FORM, found[_CONFIG])[2],
        thresholds=tuple(unpack(_U32, found.get(each, b""))[0] for each in _THRESHOLDS),
        forced_gc_runs=unpack(_STATS_FORM, stats)[_FORCED],
        table_fulls=unpack(_FULL, stats, _STATS_FORM.size)[0] if len(stats) > _STATS_FORM.size else None,
    )
