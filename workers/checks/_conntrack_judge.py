"""What the counters, the fill and the kernel's log prove about a conntrack table.

Sources: Documentation/networking/nf_conntrack-sysctl.rst; kubernetes/kubernetes#71261 (table full), #74839 (invalid packets),
#56903 and #62628 (DNS race).
"""

from __future__ import annotations

from collections.abc import Iterator

from node_helper.facts.conntrack import Conntrack
from node_helper.facts.kernel_log import KernelLog
from node_helper.kernel_log import LogLine
from node_helper.protocol import CannotLook
from workers import findings
from workers.check import View
from workers.checks._conntrack_seen import Seen, Watched
from workers.checks._logged import LATELY_S, RECENT_S, told
from workers.model import Confidence, Evidence, Finding, Severity

_WARNING, _PROBLEM = 0.80, 0.95
_STREAM_OF_INVALID = 1.0  # packets a second: stray ones are everywhere
_DNS = 53


def judge(params: object, view: View, seen: Seen) -> Iterator[Finding]:  # noqa: ARG001  (every judge takes them)
    """What could not be seen, and the three findings of a table."""
    unseen = (("conntrack counters", seen.stats), ("the conntrack table", seen.table), ("the kernel log", seen.log),
              ("conntrack events", seen.watched))  # fmt: skip
    for what, answer in unseen:
        if isinstance(answer, CannotLook):
            yield findings.unknown(answer, node=seen.where.node, what=what, now=view.now, subject=seen.where.subject)
    if seen.now:
        yield from _mute(view, seen)
        yield from _full(view, seen)
        yield from _invalid(view, seen)
        yield from _dns_race(view, seen)


def _mute(view: View, seen: Seen) -> Iterator[Finding]:
    """A kernel that tells no events, or not of flows that are made now, was not watched."""
    stats, watched = seen.now, seen.watched
    if stats is None or not isinstance(watched, Watched):
        return
    node = seen.where.node
    why, fix = "is 0", "`sysctl -w net.netfilter.nf_conntrack_events=1` on the node: flows that are made after that are told."
    if stats.events is None and not watched.events:
        why, fix = "does not exist: this kernel was built without events", "Look at the table twice instead."
    elif stats.events != 0:
        return
    cannot = CannotLook(f"{node}: nf_conntrack_events {why}", kind="missing", fix=fix)
    yield findings.unknown(cannot, node=node, what="conntrack events", now=view.now, subject=seen.where.subject)


def _full(view: View, seen: Seen) -> Iterator[Finding]:
    """By the fill, by entries evicted and packets dropped for want of room, and by the kernel's own words.

    Only a full table evicts (early_drop in __nf_conntrack_alloc), and it is full still where it can evict nothing: packets that
    are dropped with room left are dropped for another reason (a clash of two that insert the same entry).
    """
    node, stats = seen.where.node, seen.now
    if stats is None or not stats.maximum:
        return
    fill = stats.count / stats.maximum
    recent, lately = _told(seen.log, RECENT_S), _told(seen.log, LATELY_S)
    evicted, filling = bool(seen.risen.get("early_drop")), fill >= _WARNING
    dropping = fill >= _PROBLEM and bool(seen.risen.get("drop"))
    if not filling and not lately and not evicted:
        return
    bad = fill >= _PROBLEM or bool(recent) or evicted
    was = f"is {fill:.0%} full" if filling else f"was full at {view.now if evicted else lately[-1].at}"
    loses = _loses(recent, filling=filling, dropping=dropping, evicted=evicted)
    sure = filling or evicted or any(line.netns is not None for line in lately)
    yield Finding(
        id="conntrack-table-full",
        severity=Severity.PROBLEM if bad else Severity.WARNING,
        confidence=Confidence.CONFIRMED if sure else Confidence.LIKELY,
        claim=f"The conntrack table of {node} {was}: {stats.count:,} of {stats.maximum:,} entries{loses}",
        evidence=(
            Evidence(f"nf_conntrack_count and nf_conntrack_max of {node}", f"{stats.count} of {stats.maximum}", view.now),
            *(Evidence(f"kernel log of {node}", line.text, line.at) for line in lately[-3:]),
            *_rates(view, seen, "drop", "early_drop"),
        ),
        disprove="A count well below the maximum, no new line in the kernel log, and drop counters that stand still.",
        fix="Raise the maximum where it lasts (kube-proxy's conntrack.min and maxPerCore, with nf_conntrack_buckets), shorten "
        "timeouts, or find who opens so many flows: the top destinations below.",
        subject=node,
        node=node,
        look_further=f"conntrack node/{node} state=UNREPLIED",
    )


def _loses(recent: list[LogLine], *, filling: bool, dropping: bool, evicted: bool) -> str:
    """A table that finds an entry to evict drops the packets of that flow later, not the one that came."""
    if dropping or recent:
        return f", and packets {'are' if dropping or filling else 'were'} dropped"
    return ", and flows that are not assured are evicted" if evicted else ""


def _invalid(view: View, seen: Seen) -> Iterator[Finding]:
    """Packets that conntrack takes for part of no connection are dropped by kube-proxy's rule, or answered by a reset."""
    node, stats = seen.where.node, seen.now
    risen = seen.risen.get("invalid", 0)
    if stats is None or stats.liberal != 0 or not seen.apart or risen / seen.apart < _STREAM_OF_INVALID:
        return
    yield Finding(
        id="conntrack-invalid-drops",
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        claim=f"Conntrack on {node} finds {risen / seen.apart:.0f} packets a second invalid; KUBE-FORWARD drops such packets",
        evidence=(
            *_rates(view, seen, "invalid"),
            Evidence(f"nf_conntrack_tcp_be_liberal of {node}", str(stats.liberal), view.now),
        ),
        disprove="A counter of KUBE-FORWARD's `ctstate INVALID -j DROP` that stands still, or an `invalid` that does.",
        fix="Find who sends them (asymmetric routes, late packets); nf_conntrack_tcp_be_liberal=1 lets TCP pass.",
        subject=node,
        node=node,
        look_further=f"rules node/{node}",
    )


def _dns_race(view: View, seen: Seen) -> Iterator[Finding]:
    """Two packets of one socket insert the same entry at once, one is lost, and the resolver waits 5 seconds."""
    node = seen.where.node
    waiting = _unanswered_dns(seen.table)
    if not (seen.risen.get("insert_failed") and seen.risen.get("drop") and waiting):
        return
    yield Finding(
        id="dns-conntrack-race",
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        claim=f"DNS queries through {node} are probably lost to the conntrack race of A and AAAA on one socket",
        evidence=(
            *_rates(view, seen, "insert_failed", "drop"),
            Evidence(f"conntrack table of {node}", f"{waiting} UDP flows to port {_DNS} without an answer", view.now),
        ),
        disprove="insert_failed and drop that stand still, or queries that are answered at once although they rise.",
        fix="NodeLocal DNSCache, `options single-request-reopen` or use-vc in the pods' dnsConfig, or a newer kernel.",
        subject=node,
        node=node,
        look_further=f"conntrack node/{node} proto=udp port={_DNS} state=UNREPLIED",
    )


def _told(log: KernelLog | CannotLook | None, within_s: int) -> list[LogLine]:
    """Lines on this node's own table; older kernels do not say whose it was."""
    own = log.own_netns if isinstance(log, KernelLog) else None
    return [line for line in told(log, "conntrack-full", within_s) if line.netns in (None, own)]


def _unanswered_dns(table: Conntrack | CannotLook | None) -> int:
    if not isinstance(table, Conntrack):
        return 0
    return sum(d.unreplied for d in table.destinations if d.protocol == "udp" and d.port == _DNS)


def _rates(view: View, seen: Seen, *names: str) -> Iterator[Evidence]:
    for name in names:
        if name in seen.risen:
            value = f"+{seen.risen[name]} in {seen.apart:.2f} s"
            yield Evidence(f"conntrack counter {name} of {seen.where.node}, all processors", value, view.now)
