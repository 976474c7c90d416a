"""What two looks at a node's counters prove: packets that were dropped between them, and tables that are full.

Sources: net/core/net-procfs.c (softnet), net/ipv4/proc.c, net/core/neighbour.c; kubernetes/kops#4533 (neighbour tables),
cilium/cilium#19761 (rp_filter).
"""

from __future__ import annotations

from collections.abc import Iterator

from node_helper.kernel_log import LogLine
from node_helper.records import NeighbourTable
from workers.check import Samples, View
from workers.checks._counters import rise
from workers.checks._logged import LATELY_S, RECENT_S, told
from workers.checks._node_seen import Counted, Seen
from workers.model import Confidence, Evidence, Finding, Severity

_ROUTED = ("net/ipv4/conf/all/rp_filter", "net/ipv4/conf/default/rp_filter")
_STRICT = "1"
_SHOWN = 5
_GC = {"arp_cache": "net.ipv4.neigh.default", "ndisc_cache": "net.ipv6.neigh.default"}


def judge(view: View, seen: Seen) -> Iterator[Finding]:
    """Every finding that takes two samples."""
    if seen.counted is None:
        return
    yield from _reverse_path(view, seen, seen.counted)
    yield from _softnet(view, seen, seen.counted)
    yield from _accepting(view, seen, seen.counted)
    yield from _receiving(view, seen, seen.counted)
    yield from _neighbours(view, seen, seen.counted)


def risen(counted: Counted, *names: str) -> dict[str, int]:
    """By how much protocol counters rose, those that did."""
    sampled = counted.netstat
    if not isinstance(sampled, Samples):
        return {}
    first, second = sampled.first.counters, sampled.second.counters
    return {name: second[name] - first.get(name, 0) for name in names if second.get(name, 0) > first.get(name, 0)}


def dropped(counted: Counted) -> tuple[int, int]:
    """By how much the processors' `dropped` and `squeezed` rose, all together."""
    sampled = counted.softnet
    if not isinstance(sampled, Samples):
        return 0, 0
    before = {cpu.index: cpu for cpu in sampled.first.cpus}
    pairs = [(before[cpu.index], cpu) for cpu in sampled.second.cpus if cpu.index in before]
    return sum(rise(a.dropped, b.dropped) for a, b in pairs), sum(rise(a.squeezed, b.squeezed) for a, b in pairs)


def _reverse_path(view: View, seen: Seen, counted: Counted) -> Iterator[Finding]:
    rose = risen(counted, "TcpExtIPReversePathFilter")
    if not rose:
        return
    everywhere = seen.value(_ROUTED[0]) == _STRICT
    strict = [d.link.name for d in seen.devices if seen.value(f"net/ipv4/conf/{d.link.name}/rp_filter") == _STRICT]
    modes = f"all={seen.value(_ROUTED[0])}, 1 at {', '.join(strict[:_SHOWN]) or 'no device'}"
    yield Finding(
        id="rp-filter-drop",
        severity=Severity.WARNING,
        claim=f"{seen.node.name} drops packets that come in by another device than the one that leads back to their sender",
        evidence=(
            _rates(view, counted, rose)[0],
            Evidence("net.ipv4.conf.{all,DEVICE}.rp_filter, of which the larger counts", modes, view.now),
        ),
        disprove="TcpExtIPReversePathFilter that stands still.",
        fix=f"Make routes symmetric, or set rp_filter to 2 or 0 {'for all and ' if everywhere else ''}for the device they enter.",
        node=seen.node.name,
    )


def _softnet(view: View, seen: Seen, counted: Counted) -> Iterator[Finding]:
    drops, squeezed = dropped(counted)
    if drops > 0 and isinstance(counted.softnet, Samples):
        apart = counted.softnet.apart
        yield Finding(
            id="softnet-drops",
            severity=Severity.PROBLEM,
            claim=f"{seen.node.name} dropped {drops} packets in {apart:.1f} s before any rule saw them: its backlog was full",
            evidence=(
                Evidence("/proc/net/softnet_stat, column 2, all processors", f"+{drops} in {apart:.2f} s", view.now),
                Evidence("/proc/net/softnet_stat, column 3 (ran out of budget)", f"+{squeezed} in {apart:.2f} s", view.now),
                Evidence("net.core.netdev_max_backlog", seen.value("net/core/netdev_max_backlog") or "not shown here", view.now),
            ),
            disprove="Column 2 of /proc/net/softnet_stat that stands still.",
            fix="Raise net.core.netdev_max_backlog, spread receive work over processors (RPS), or find what keeps them busy.",
            node=seen.node.name,
        )


def _accepting(view: View, seen: Seen, counted: Counted) -> Iterator[Finding]:
    listening = risen(counted, "TcpExtListenOverflows", "TcpExtListenDrops")
    if listening:
        # Drops alone come from elsewhere too: a full queue of half-open connections, no memory, no route back.
        slow = "TcpExtListenOverflows" in listening
        at = f"A process on {seen.node.name} itself"
        yield Finding(
            id="listen-queue-overflow",
            severity=Severity.WARNING,
            confidence=Confidence.CONFIRMED if slow else Confidence.LIKELY,
            claim=f"{at} accepts connections too slowly: new ones are dropped"
            if slow
            else f"{at} loses new connections before they wait to be accepted: no accept queue overflowed",
            evidence=(
                *_rates(view, counted, listening),
                Evidence("net.core.somaxconn", seen.value("net/core/somaxconn") or "not shown here", view.now),
                Evidence(
                    "net.ipv4.tcp_max_syn_backlog", seen.value("net/ipv4/tcp_max_syn_backlog") or "not shown here", view.now
                ),
            ),
            disprove="TcpExtListenOverflows and TcpExtListenDrops that stand still.",
            fix="`ss -ltn` shows the socket whose Recv-Q exceeds its Send-Q; let it accept faster, or queue more."
            if slow
            else "Find who opens connections and leaves them half open (`ss -tn state syn-recv`); see the log for SYN flooding.",
            node=seen.node.name,
        )


def _receiving(view: View, seen: Seen, counted: Counted) -> Iterator[Finding]:
    buffers = risen(counted, "UdpRcvbufErrors", "Udp6RcvbufErrors")
    if buffers:
        yield Finding(
            id="udp-receive-buffer",
            severity=Severity.WARNING,
            claim=f"A process on {seen.node.name} itself reads its UDP socket too slowly: datagrams are dropped",
            evidence=(
                *_rates(view, counted, buffers),
                Evidence("net.core.rmem_max", seen.value("net/core/rmem_max") or "not shown here", view.now),
            ),
            disprove="UdpRcvbufErrors that stands still.",
            fix="The last column of /proc/net/udp shows the socket; give it a larger buffer (rmem_max) or more readers.",
            node=seen.node.name,
        )


def _neighbours(view: View, seen: Seen, counted: Counted) -> Iterator[Finding]:
    if not isinstance(counted.neighbours, Samples):
        return
    before = {table.name: table for table in counted.neighbours.first.tables}
    for table in counted.neighbours.second.tables:
        refused = (table.table_fulls or 0) - (before[table.name].table_fulls or 0) if table.name in before else 0
        lately = _overflows(seen, table, LATELY_S)
        if refused > 0 or lately or _is_full(table):
            yield _full(view, seen, table, refused, counted.neighbours.apart)


def _is_full(table: NeighbourTable) -> bool:
    return table.entries - table.exempt >= table.thresholds[-1]


def _overflows(seen: Seen, table: NeighbourTable, within_s: int) -> list[LogLine]:
    """What the kernel's log says of this table (neigh_alloc, at most ten lines in five seconds)."""
    return [line for line in told(seen.settings.log, "neighbour-overflow", within_s) if f"neighbour: {table.name}: " in line.text]


def _full(view: View, seen: Seen, table: NeighbourTable, refused: int, apart: float) -> Finding:
    limit, node = table.thresholds[-1], seen.node.name
    recent, lately = _overflows(seen, table, RECENT_S), _overflows(seen, table, LATELY_S)
    when = "is full" if refused > 0 or _is_full(table) else f"was full at {lately[-1].at}"
    exempt = f", of which {table.exempt} permanent or learnt ones do not count" if table.exempt else ""
    refusals = (Evidence(f"netlink RTM_GETNEIGHTBL, table_fulls of {table.name}", f"+{refused} in {apart:.2f} s", view.now),)
    return Finding(
        id="neighbour-table-full",
        severity=Severity.PROBLEM if refused > 0 or recent else Severity.WARNING,
        confidence=Confidence.CONFIRMED if refused > 0 or lately else Confidence.LIKELY,
        claim=f"The neighbour table {table.name} of {node} {when}: {table.entries} entries, limit {limit}"
        + (", and new ones are refused" if refused > 0 else ""),
        evidence=(
            Evidence(
                f"netlink RTM_GETNEIGHTBL, entries and gc_thresh3 of {table.name}",
                f"{table.entries} of {limit}{exempt}",
                view.now,
            ),
            *(refusals if refused > 0 else ()),
            *(Evidence(f"kernel log of {node}", line.text, line.at) for line in lately[-2:]),
        ),
        disprove="Fewer entries than gc_thresh3, table_fulls that stands still, and no new line in the kernel log.",
        fix=f"Raise {_GC.get(table.name, 'neigh.default')}.gc_thresh1 to 3 in the node's own namespace, and in /etc/sysctl.d.",
        node=node,
    )


def _rates(view: View, counted: Counted, rose: dict[str, int]) -> tuple[Evidence, ...]:
    apart = counted.netstat.apart if isinstance(counted.netstat, Samples) else 0.0
    return tuple(Evidence(f"counter {name} (nstat)", f"+{by} in {apart:.2f} s", view.now) for name, by in rose.items())
