"""What a node's conntrack table held, from `conntrack -L`."""

from __future__ import annotations

import re
from collections import Counter

from node_helper.codec import Malformed
from node_helper.conntrack.flow import Flow
from node_helper.conntrack.totals import Destination, Total
from node_helper.conntrack.wants import Which
from node_helper.facts import conntrack
from node_helper.protocol import CannotLook
from workers.offline.conntrack_lines import flow, meant
from workers.offline.source import OfNode, Source

FILE = "conntrack.txt"
_FIRST, _TOP = 20, 20
_SHOWN = re.compile(r"(\d{1,12}) flow entries have been shown")


def read(files: OfNode, query: conntrack.Query) -> conntrack.Conntrack:
    """The wanted flows of the file. ``missing`` where it was not saved, ``malformed`` with the first line that is no flow.

    By its manual conntrack lists IPv4 alone unless told otherwise (newer ones list both): a file without any flow of IPv6 tells
    nothing about IPv6.
    """
    every = files.parsed(FILE, _flows)
    if _of_ipv6(query.which) and not any(":" in one.original.src for _, one in every):
        fix = f"Save `conntrack -L -f ipv6` behind what is in {files.file(FILE)}."
        raise CannotLook(
            f"{files.file(FILE)} holds no flow of IPv6, which older versions of conntrack leave out", kind="missing", fix=fix
        )
    found = [(line, one) for line, one in every if meant(one, query.which)]
    flows = [one for _, one in found]
    return conntrack.Conntrack(
        flows=len(flows),
        by_state=_by_state(flows),
        destinations=_destinations(flows),
        forgotten=0,
        translated=sum("SRC_NAT" in f.status or "DST_NAT" in f.status for f in flows),
        lines="".join(f"{line}\n" for line, _ in found[: query.lines]),
        shown=min(len(found), query.lines),
        first=tuple(flows[:_FIRST]),
        seen=len(flows),
        by_kernel=True,
    )


def _of_ipv6(which: Which) -> bool:
    """Whether only flows of IPv6 are meant."""
    addresses = [*(ip for ip in (which.src, which.dst) if ip), *which.ends]
    return which.protocol == "icmpv6" or (bool(addresses) and all(":" in ip for ip in addresses))


def _flows(text: str) -> list[tuple[str, Flow]]:
    """Raises `Malformed`, too, for fewer flows than the tool says that it has shown: the file was cut, or filtered."""
    found: list[tuple[str, Flow]] = []
    shown = 0
    for number, line in enumerate(text.splitlines(), 1):
        said = _SHOWN.search(line)
        if said:
            shown += int(said[1])
        elif line.strip():
            try:
                found.append((line, flow(line)))
            except Malformed as e:
                raise Malformed(f"line {number}: {e}") from e
    if len(found) < shown:
        raise Malformed(f"{len(found)} flows are here, and conntrack says that it has shown {shown}")
    return found


def _by_state(flows: list[Flow]) -> tuple[Total, ...]:
    counted: dict[tuple[str, str], list[Flow]] = {}
    for one in flows:
        counted.setdefault((one.protocol, one.state), []).append(one)
    totals = (
        Total(*key, len(some), sum("SEEN_REPLY" not in f.status for f in some), sum("ASSURED" in f.status for f in some))
        for key, some in counted.items()
    )
    return tuple(sorted(totals, key=lambda t: (-t.flows, t.protocol, t.state)))


def _destinations(flows: list[Flow]) -> tuple[Destination, ...]:
    to = Counter((f.protocol, f.original.dst, f.original.dport) for f in flows)
    lost = Counter((f.protocol, f.original.dst, f.original.dport) for f in flows if "SEEN_REPLY" not in f.status)
    return tuple(Destination(*key, n, lost[key]) for key, n in to.most_common(_TOP))


SOURCE = Source(conntrack.FACT, read)
