"""What A and AAAA from one socket prove that each alone does not: who waits for both waits until his time is over."""

from __future__ import annotations

from collections.abc import Iterator

from node_helper.facts.dns_pair import DnsPair
from workers.checks._dns_differential import Ground
from workers.checks._dns_judge import silent, words, works
from workers.checks._dns_ways import Pair, Ways
from workers.model import Confidence, Evidence, Finding, Severity


def lost(pair: Pair) -> list[str]:
    """The types that were not answered; none where nothing could be asked."""
    return [kind for kind, answer in (("A", pair.a), ("AAAA", pair.aaaa)) if silent(answer)] if isinstance(pair, DnsPair) else []


def judge(ways: Ways, ground: Ground) -> Iterator[Finding]:
    """Of each nameserver that answers a question alone, and behind which no DNS pod fails."""
    for server, tries in ways.pairs.items():
        seen = tuple(pair for pair in tries if isinstance(pair, DnsPair))
        if not any(map(lost, seen)) or not works(ways.of(server).get("udp")) or "udp" in ways.failing_at_replicas():
            continue
        raced = next((pair for pair in seen if len(lost(pair)) == 1 and pair.insert_failed and pair.drop), None)
        yield _race(ways, server, raced, ground) if raced else _unanswered(ways, server, seen, ground)


def _race(ways: Ways, server: str, pair: DnsPair, ground: Ground) -> Finding:
    """One of the two lost while conntrack failed to insert an entry and dropped a packet (kernel 71d8c47fc653).

    `insert_failed` alone also counts clashes that the kernel resolved; the counters are of all of the node's packets.
    """
    grown = f"insert_failed +{pair.insert_failed}, drop +{pair.drop}"
    return Finding(
        id="dns-conntrack-race",
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        claim=f"Conntrack on {ground.pod.node} dropped {lost(pair)[0]} of A and AAAA that {ground.pod} asked {server} at once",
        evidence=(
            _said(ways, server, pair, ground),
            Evidence(f"conntrack's counters of {ground.pod.node}, before and after", grown, ground.now),
        ),
        disprove="Both lost again while these counters stay, or both answered each time when it is asked again.",
        fix="NodeLocal DNSCache, or `options single-request-reopen` in the pod's dnsConfig; newer kernels lose fewer.",
        subject=str(ground.pod),
        node=ground.pod.node,
        look_further=f"conntrack {ground.pod.node}",
    )


def _unanswered(ways: Ways, server: str, seen: tuple[DnsPair, ...], ground: Ground) -> Finding:
    """Lost although each alone is answered; what loses them is not claimed."""
    kinds = sorted({kind for pair in seen for kind in lost(pair)})
    times = f"{sum(map(bool, map(lost, seen)))} of {len(seen)} times"
    return Finding(
        id="dns-unreachable",
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        claim=f"DNS server {server} left {' and '.join(kinds)} unanswered {times} when {ground.pod} asked both from one socket",
        evidence=tuple(_said(ways, server, pair, ground) for pair in seen),
        disprove="Both answered each time when it is asked again.",
        fix="Ask again: if it stays so, NodeLocal DNSCache or `options single-request-reopen` in the pod's dnsConfig avoids it.",
        subject=str(ground.pod),
        node=ground.pod.node,
        look_further=f"conntrack {ground.pod.node}",
    )


def _said(ways: Ways, server: str, pair: DnsPair, ground: Ground) -> Evidence:
    said = "; ".join(f"{kind} {words(answer)}" for kind, answer in (("A", pair.a), ("AAAA", pair.aaaa)))
    return Evidence(f"A and AAAA for {ways.name} to {server} from one UDP socket inside {ground.pod}", said, ground.now)
