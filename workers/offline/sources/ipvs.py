"""IPVS's virtual servers, from `ipvsadm-save -n` or `ipvsadm -Ln`. The node's settings and kernel are not in it."""

from __future__ import annotations

from node_helper.facts import ipvs
from node_helper.ipvs import Table, Timeouts
from workers.ipvs.saved import parse
from workers.offline.source import OfNode, Source

FILE = "ipvsadm.txt"
_UNTOLD = Timeouts(0, 0, 0)  # neither form tells timeouts and buckets, and no check reads them


def read(files: OfNode, query: ipvs.Query) -> ipvs.Ipvs:
    """Where the node's rules were saved and no virtual servers among them, IPVS is not in use there."""
    if not files.has(FILE):
        return ipvs.Ipvs(None, (f"{files.file(FILE)} was not saved, other rules were: {', '.join(files.backends())}",), "", {})
    every = servers = files.parsed(FILE, parse)
    if query.only is not None:
        wanted = {(v.protocol, v.address, v.port) for v in query.only}
        servers = tuple(s for s in servers if (s.protocol, s.address, s.port) in wanted)
    listing = files.folder.text(files.file(FILE)) if query.listing else None
    said = (f"{files.file(FILE)} was saved",)
    return ipvs.Ipvs(Table("", 0, _UNTOLD, servers), said, "", {}, device=bool(every), listing=listing)


SOURCE = Source(ipvs.FACT, read)
