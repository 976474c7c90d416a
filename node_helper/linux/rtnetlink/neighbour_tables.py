"""The neighbour tables as wholes (RTM_GETNEIGHTBL, linux/neighbour.h): they are one for all namespaces of the machine."""

from __future__ import annotations

import struct
from typing import Optional

from node_helper.linux.netlink import Malformed, Netlink, attributes, unpack
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


def read(netlink: Netlink) -> tuple[NeighbourTable, ...]:
    """Every table, such as arp_cache and ndisc_cache; the settings of single devices are left out."""
    found = (decode(body) for body in netlink.dump(_GET, _HEADER.pack(0)))
    return tuple(table for table in found if table is not None)


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
