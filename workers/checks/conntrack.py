"""A node's conntrack table, or what it holds for a pod: how full it is, what is in it and drops; or its events for a while."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from node_helper.conntrack.wants import Which
from node_helper.facts import conntrack, conntrack_events, conntrack_stats, kernel_log, sysctl_files
from workers.check import Access, Ask, Check, Plan, Round, View, stream, twice
from workers.checks._conntrack_judge import judge
from workers.checks._conntrack_seen import Seen, Watched, Where, find
from workers.checks._conntrack_show import show
from workers.errors import UsageError
from workers.params import Address, Arg, Duration, NodeOrPodTarget

Protocol = Literal["tcp", "udp", "icmp", "icmpv6", "sctp", "dccp", "udplite", "gre"]
State = Literal[
    "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE", "UNREPLIED", "REPLIED",
    "ASSURED", "SRC_NAT", "DST_NAT", "OFFLOAD",
]  # fmt: skip
_APART_S = 0.5
_LONGEST_S = 300.0
_MOST_PORT = 65535
_MAXIMUM = "net.netfilter.nf_conntrack_max"


@dataclass(frozen=True)
class Params:
    """Whose table, which flows, and for how long to watch."""

    target: Annotated[NodeOrPodTarget, Arg("a node, or a pod whose flows are meant")]
    dst: Annotated[Address | None, Arg("where first packets went, before translation")] = None
    src: Annotated[Address | None, Arg("where first packets came from")] = None
    proto: Annotated[Protocol | None, Arg("the protocol: tcp, udp, icmp, sctp and so on")] = None
    port: Annotated[int | None, Arg("the port that first packets went to, before or after translation")] = None
    state: Annotated[
        State | None, Arg("a state of TCP such as SYN_SENT or TIME_WAIT, or UNREPLIED, ASSURED, SRC_NAT, DST_NAT")
    ] = None
    time: Annotated[Duration | None, Arg("watch events for so long, at most 5m", word="for")] = None


def plan(params: Params, view: View) -> Plan[Seen]:
    """Two samples of the counters, and between them the table; or, after them, its events."""
    where = find(view, params.target)
    which = _which(params, where.ends)
    if params.time:
        return (yield from _watched(where, which, params.time.seconds))
    look = Round()
    stats = look.add("", Ask(where.node, conntrack_stats.FACT, conntrack_stats.Query()))
    table = look.add("table", Ask(where.node, conntrack.FACT, conntrack.Query(which)))
    log = look.add("log", Ask(where.node, kernel_log.FACT, kernel_log.Query()))
    files = look.add("files", Ask(where.node, sysctl_files.FACT, sysctl_files.Query(_MAXIMUM)))
    got = yield from look.twice(_APART_S, once=(table, log, files))
    seen = Seen(where, which, stats.sampled(got))
    return seen if seen.unused else replace(seen, table=table.of(got), log=log.of(got), files=files.of(got))


def _watched(where: Where, which: Which, seconds: float) -> Plan[Seen]:
    sampled = yield from twice({"": Ask(where.node, conntrack_stats.FACT, conntrack_stats.Query())}, _APART_S)
    seen = Seen(where, which, sampled[""])
    if seen.unused:
        return seen
    asked = Ask(where.node, conntrack_events.FACT, conntrack_events.Query(seconds, which))
    watched = yield from stream(asked, Watched(), Watched.and_then, seconds)
    return replace(seen, watched=watched, meant_s=seconds)


def _which(params: Params, ends: tuple[str, ...]) -> Which:
    if params.port is not None and not 0 < params.port <= _MOST_PORT:
        raise UsageError(f"port={params.port}: must be from 1 to {_MOST_PORT}")
    if params.time and not 1 <= params.time.seconds <= _LONGEST_S:
        raise UsageError(f"for {params.time}: must be from 1s to {_LONGEST_S / 60:.0f}m")
    src, dst = (str(a) if a else None for a in (params.src, params.dst))
    if src and dst and (":" in src) != (":" in dst):
        raise UsageError(f"src={src} and dst={dst} are not of one family: no flow has both")
    return Which(ends, src, dst, params.proto, params.port, params.state)


CHECK = Check(
    name="conntrack",
    summary="What a node's conntrack table holds, for a pod or an address, how full it is and what it drops",
    access=Access.REVEAL,
    params=Params,
    plan=plan,
    judge=judge,
    show=show,
    examples=("conntrack node-one", "conntrack hello-world dst=10.96.0.10 proto=udp", "conntrack node-one for 30s"),
)
