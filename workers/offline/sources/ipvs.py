"""IPVS's virtual servers, from `ipvsadm-save -n` or `ipvsadm -Ln`. The node's settings and kernel are not in it."""

from __future__ import annotations

from node_helper.facts import ipvs
from node_helper.ipvs import Table, Timeouts
from node_helper.protocol import CannotLook
from workers.ipvs.saved import parse
from workers.offline.rules import saved
from workers.offline.source import OfNode, Source
from workers.rules.modes import of_ipvs

FILE = "ipvsadm.txt"
_UNTOLD = Timeouts(0, 0, 0)  # neither form tells timeouts and buckets, and no check reads them


def read(files: OfNode, query: ipvs.Query) -> ipvs.Ipvs:
    """Where the node's rules were saved and no virtual servers among them, IPVS is not in use there, unless the rules need it."""
    if not files.has(FILE):
        _refuse_left_out(files)
        return ipvs.Ipvs(None, (f"{files.file(FILE)} was not saved, other rules were: {', '.join(files.backends())}",), "", {})
    every = servers = files.parsed(FILE, parse)
    if query.only is not None:
        wanted = {(v.protocol, v.address, v.port) for v in query.only}
        servers = tuple(s for s in servers if (s.protocol, s.address, s.port) in wanted)
    listing = files.folder.text(files.file(FILE)) if query.listing else None
    said = (f"{files.file(FILE)} was saved",)
    return ipvs.Ipvs(Table("", 0, _UNTOLD, servers), said, "", {}, device=bool(every), listing=listing)


def _refuse_left_out(files: OfNode) -> None:
    """Raises `CannotLook` ``missing`` where the node's rules are those that kube-proxy makes beside its virtual servers."""
    for each in saved.of_node(files):
        if of_ipvs(each.ruleset):
            reason = f"{files.file(FILE)} was not saved, and the node's rules are those of kube-proxy's IPVS mode"
            raise CannotLook(reason, kind="missing", fix=f"Save as {files.file(FILE)} what `ipvsadm-save -n` prints on the node.")


SOURCE = Source(ipvs.FACT, read)
