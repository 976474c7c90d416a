"""Names of what ctnetlink gives as numbers: protocols, their states, status bits."""

from __future__ import annotations

ICMP, TCP, UDP, DCCP, GRE, ICMPV6, SCTP, UDPLITE = 1, 6, 17, 33, 47, 58, 132, 136
PROTOCOLS = {
    ICMP: "icmp",
    TCP: "tcp",
    UDP: "udp",
    DCCP: "dccp",
    GRE: "gre",
    ICMPV6: "icmpv6",
    SCTP: "sctp",
    UDPLITE: "udplite",
}
WITH_PORTS = frozenset({TCP, UDP, DCCP, SCTP, UDPLITE})

TCP_STATES = (
    "NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE", "SYN_SENT2",
)  # fmt: skip
"""enum tcp_conntrack of linux/netfilter/nf_conntrack_tcp.h."""
SCTP_STATES = (
    "NONE", "CLOSED", "COOKIE_WAIT", "COOKIE_ECHOED", "ESTABLISHED", "SHUTDOWN_SENT", "SHUTDOWN_RECD", "SHUTDOWN_ACK_SENT",
    "HEARTBEAT_SENT", "HEARTBEAT_ACKED",
)  # fmt: skip
DCCP_STATES = (
    "NONE", "REQUEST", "RESPOND", "PARTOPEN", "OPEN", "CLOSEREQ", "CLOSING", "TIMEWAIT", "IGNORE", "INVALID",
)  # fmt: skip
STATES = {TCP: TCP_STATES, SCTP: SCTP_STATES, DCCP: DCCP_STATES}

SEEN_REPLY, ASSURED, SRC_NAT, DST_NAT, OFFLOAD, HW_OFFLOAD = 1 << 1, 1 << 2, 1 << 4, 1 << 5, 1 << 14, 1 << 15
STATUS_BITS = {
    1 << 0: "EXPECTED",
    SEEN_REPLY: "SEEN_REPLY",
    ASSURED: "ASSURED",
    1 << 3: "CONFIRMED",
    SRC_NAT: "SRC_NAT",
    DST_NAT: "DST_NAT",
    1 << 6: "SEQ_ADJUST",
    1 << 9: "DYING",
    1 << 10: "FIXED_TIMEOUT",
    OFFLOAD: "OFFLOAD",
    HW_OFFLOAD: "HW_OFFLOAD",
}
"""enum ip_conntrack_status of linux/netfilter/nf_conntrack_common.h, as far as it means something to a reader."""


def protocol(number: int) -> str:
    """The name of a protocol, its number where conntrack knows none."""
    return PROTOCOLS.get(number, str(number))


def state(number: int, of: int) -> str:
    """The name of a state of a protocol, its number where it has none."""
    known = STATES.get(of, ())
    return known[number] if number < len(known) else str(number)


def number(name: str) -> int:
    """The number of a protocol by its name or number. Raises `ValueError`."""
    by_name = {known: n for n, known in PROTOCOLS.items()}
    if name in by_name:
        return by_name[name]
    if name.isascii() and name.isdigit() and int(name) < 1 << 8:
        return int(name)
    raise ValueError(f"{name[:40]!r} is none of {', '.join(sorted(by_name))}, and no number below 256")
