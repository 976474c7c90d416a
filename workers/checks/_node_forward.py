"""Whether a policy DROP of FORWARD stops pods: no rule that can be read accepts their addresses, coming and going.

Sources: kubernetes/kubernetes#40182 and #39823 (docker sets this policy), iptables-extensions(8).
"""

from __future__ import annotations

import ipaddress
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from node_helper.netfilter.records import Chain, Rule, Ruleset
from node_helper.protocol import CannotLook
from node_helper.records import ForwardChain
from workers import findings
from workers.check import Samples, View
from workers.checks._node_seen import Seen, dropping
from workers.model import Confidence, Evidence, Finding, Severity

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_EVERYWHERE = {"ip": ipaddress.ip_network("0.0.0.0/0"), "ip6": ipaddress.ip_network("::/0")}
_DEEPEST = 8
_PLAIN = frozenset({"-s", "-d", "-j", "-g", "-m", "--comment"})
_ANSWERS = frozenset({"RELATED,ESTABLISHED", "ESTABLISHED", "ESTABLISHED,RELATED"})
_SERVICES_MARK, _DOCKER = "0x4000/0x4000", "docker0"  # kube-proxy's mark of what it will masquerade


@dataclass(frozen=True)
class Accepted:
    """A way to ACCEPT; `plain` where nothing is asked but where the packet comes from and where it goes."""

    source: Network
    destination: Network
    plain: bool = True


def judge(view: View, seen: Seen) -> Iterator[Finding]:
    """One finding for each chain that drops now, unless the pods' addresses are accepted before."""
    sampled = seen.counted.forward if seen.counted else None
    if not isinstance(sampled, Samples):
        return
    yield from _uncounted(view, seen, sampled.second.chains)
    for chain, drops in dropping(sampled):
        covered = _covered(seen, chain)
        if not covered:
            yield _finding(view, seen, chain, f"+{drops} in {sampled.apart:.2f} s", proven=covered is False)


def _uncounted(view: View, seen: Seen, chains: tuple[ForwardChain, ...]) -> Iterator[Finding]:
    """A policy of nft's own chains has no counter, so what it drops cannot be told; iptables makes one."""
    blind = [f"{c.backend} {c.family} {c.table} {c.name}" for c in chains if c.policy == "DROP" and c.packets is None]
    if blind:
        reason = f"{seen.node.name}: the policy DROP of {', '.join(blind)} has no counter"
        fix = "Let a last rule `counter drop` do what the policy does; `nft list chain` then shows what no rule accepts."
        cannot = CannotLook(reason, kind="missing", fix=fix)
        yield findings.unknown(cannot, node=seen.node.name, what="what the forward policy drops", now=view.now)


def _covered(seen: Seen, chain: ForwardChain) -> bool | None:
    """Whether packets from and to every pod CIDR of that family are accepted; None where that cannot be told."""
    rules = seen.forward_rules.get(chain)
    if not isinstance(rules, Ruleset) or not rules.backend.startswith("iptables"):
        return None
    chains = {found.name: found for table in rules.tables for found in table.chains}
    if any(rule.unread for found in chains.values() for rule in found.rules):
        return None
    pods = [n for n in seen.pod_networks if n.version == _EVERYWHERE[chain.family].version]
    if not pods:
        return None
    everywhere = _EVERYWHERE[chain.family]
    accepted = list(ways(chains, chain.name, everywhere))
    if all(_holds(accepted, n, everywhere) and _holds(accepted, everywhere, n) for n in pods):
        return True
    return False if all(way.plain for way in accepted) else None


def _holds(accepted: list[Accepted], source: Network, destination: Network) -> bool:
    return any(way.plain and _inside(source, way.source) and _inside(destination, way.destination) for way in accepted)


def ways(chains: Mapping[str, Chain], start: str, everywhere: Network) -> Iterator[Accepted]:
    """The ways to ACCEPT from a chain on, through the chains that it jumps to."""
    yield from _from(chains, start, Accepted(everywhere, everywhere), 0)


def _from(chains: Mapping[str, Chain], name: str, so_far: Accepted, depth: int) -> Iterator[Accepted]:
    if name not in chains or depth > _DEEPEST:
        return
    for rule in chains[name].rules:
        try:
            read = _read(rule, so_far)
        except ValueError:  # quotes or addresses that are none: it may accept anything
            read = replace(so_far, plain=False), "ACCEPT"
        if read and read[1] == "ACCEPT":
            yield read[0]
        elif read:
            yield from _from(chains, read[1], read[0], depth + 1)


def _read(rule: Rule, so_far: Accepted) -> tuple[Accepted, str] | None:
    """What a rule narrows the way to, and its target; None for one that new connections of pods cannot pass anyway."""
    words = shlex.split(rule.spec)
    asked = dict(pairwise(words))
    if asked.get("--ctstate") in _ANSWERS or asked.get("--mark") == _SERVICES_MARK or asked.get("-i") == _DOCKER:
        return None
    target = asked.get("-j") or asked.get("-g")
    if not target or "!" in words:
        return (replace(so_far, plain=False), target) if target else None
    way = Accepted(_narrowed(so_far.source, asked.get("-s")), _narrowed(so_far.destination, asked.get("-d")), so_far.plain)
    matches = {match for word, match in pairwise(words) if word == "-m"}
    plain = {word for word in words if word.startswith("-")} <= _PLAIN and matches <= {"comment"}
    return (way if plain else replace(way, plain=False)), target


def _narrowed(known: Network, said: str | None) -> Network:
    if said is None:
        return known
    network = ipaddress.ip_network(said, strict=False)
    return network if _inside(network, known) else known if _inside(known, network) else network


def _inside(inner: Network, outer: Network) -> bool:
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]  # of one version


def _finding(view: View, seen: Seen, chain: ForwardChain, rose: str, *, proven: bool) -> Finding:
    where = f"{chain.backend} {chain.family} {chain.table} {chain.name}"
    rules = (Evidence(f"rules of {where}", f"none accepts {', '.join(seen.node.pod_cidrs)} as source and destination", view.now),)
    return Finding(
        id="forward-policy-drop",
        severity=Severity.PROBLEM if proven else Severity.WARNING,
        # That packets are dropped is sure; whether they are the pods' is not always.
        confidence=Confidence.CONFIRMED if proven else Confidence.LIKELY,
        claim=f"{seen.node.name} drops forwarded packets that no rule accepts: policy DROP of {where}",
        evidence=(
            Evidence(f"policy of {where} on {seen.node.name}", f"{chain.policy}, {chain.packets} packets so far", view.now),
            Evidence("its counter", rose, view.now),
            *(rules if proven else ()),
        ),
        disprove="The policy ACCEPT, or its counter standing still while pods talk to other nodes.",
        fix="`iptables -P FORWARD ACCEPT`, or rules in FORWARD that accept the pods' addresses as source and as destination.",
        node=seen.node.name,
        look_further=f"rules node/{seen.node.name} table=filter chain=FORWARD",
    )
