"""What the differences between the ways to the cluster's DNS prove; each claim says which way failed and which did not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from node_helper.facts.devices import Devices
from node_helper.facts.dns import DnsAnswer
from node_helper.protocol import CannotLook
from workers import findings
from workers.checks._dns_judge import Answer, failed, fails, how, silent, words, works
from workers.checks._dns_ways import Ways, is_cache
from workers.model import Confidence, Evidence, Finding, Severity
from workers.objects import Pod

_IPVS = "kube-ipvs0"  # where kube-proxy puts every service's address, for IPVS to take packets to it
_FIXES = {
    "tcp": "Allow TCP to port 53 (rules, network policies, the service's ports): answers that do not fit into UDP are lost.",
    "udp": "Look for what drops UDP to port 53: a network policy that allows TCP alone, rules, or a full conntrack table.",
    "direct": "Nothing, where a policy means pods to ask the service alone; else look at what drops port 53 between the pods.",
    "both": "See whether the DNS pods are ready, whether the node's rules send to them, whether a policy denies port 53.",
}


@dataclass(frozen=True)
class Ground:
    """From where it was asked, and when; the node's devices, where a nameserver was silent."""

    pod: Pod
    now: str
    devices: Devices | CannotLook | None = None


def judge(ways: Ways, ground: Ground) -> Iterator[Finding]:
    """The DNS pods explain what the nameservers do where these fail likewise; what is answered in the end comes last."""
    unseen = next((a for tries in (*ways.tries.values(), *ways.pairs.values()) for a in tries if isinstance(a, CannotLook)), None)
    if unseen:
        what = f"DNS from inside {ground.pod}"
        yield findings.unknown(unseen, node=ground.pod.node, what=what, now=ground.now, subject=str(ground.pod))
    pods = tuple(_replicas(ways, ground))
    for server in ways.asked:
        broken = {t for t, a in ways.of(server).items() if fails(a)}
        if broken and not (pods and broken <= ways.failing_at_replicas()):
            yield from _nameserver(ways, server, ground)
    yield from pods
    if not pods:
        yield from _sometimes(ways, ground)


def _nameserver(ways: Ways, server: str, ground: Ground) -> Iterator[Finding]:
    """A nameserver that fails over some transport: it answers that it failed, or nothing comes."""
    broken = {t: a for t, a in ways.of(server).items() if isinstance(a, DnsAnswer) and fails(a)}
    worst = next((a for a in broken.values() if silent(a)), next(iter(broken.values())))
    pods = [a for of in ways.replicas().values() for a in of.values()]
    if len(broken) == len(ways.of(server)) and any(map(works, pods)) and (device := _cache_device(server, ground)) is not None:
        yield _cache(ways, server, worst, device, ground)
        return
    said = [a for a in broken.values() if not silent(a)]
    if said:
        yield failed(said[0], server, ways.name, ground.pod, _evidence(ways, server, ground))
    if silent(worst):
        yield _unreachable(ways, server, worst, {t for t, a in broken.items() if silent(a)}, ground)


def _unreachable(ways: Ways, server: str, worst: DnsAnswer, over: set[str], ground: Ground) -> Finding:
    fine = [t for t, a in ways.of(server).items() if works(a)]
    which = "" if len(over) == len(ways.of(server)) else f" over {next(iter(over)).upper()}"
    rest = f", and does answer over {fine[0].upper()}" if fine else _elsewhere(ways, over)
    small = "udp" not in over or server != ways.servers[0]  # what most programs need still works
    return Finding(
        id="dns-unreachable",
        severity=Severity.WARNING if small else Severity.PROBLEM,
        claim=f"DNS server {server} {how(worst)}{which} from inside {ground.pod}{rest}",
        evidence=_evidence(ways, server, ground),
        disprove=f"An answer from {server} to the same query{which} inside the pod.",
        fix=_FIXES["both" if len(over) > 1 else next(iter(over))],
        subject=str(ground.pod),
        node=ground.pod.node,
        look_further="services in kube-system",
    )


def _elsewhere(ways: Ways, over: set[str]) -> str:
    """Whether the DNS pods say anything when they are asked directly; nothing where that could not be asked of all of them."""
    replicas = ways.replicas()
    if not replicas or any(isinstance(a, CannotLook) for of in replicas.values() for a in of.values()):
        return ""
    good = sum(any(not silent(of.get(t)) for t in over) for of in replicas.values())
    return f"; asked directly, {good} of {len(replicas)} DNS pods answer"


def _cache_device(server: str, ground: Ground) -> str | None:
    """The node's device with a nameserver's address, "" where a cache should be and none has it; None: it is no node's cache."""
    known = ground.devices.devices if isinstance(ground.devices, Devices) else ()
    having = (d.link.name for d in known if any(address.split("/")[0] == server for address in d.addresses))
    return next((name for name in having if name != _IPVS), "" if is_cache(server) else None)


def _cache(ways: Ways, server: str, answer: DnsAnswer, device: str, ground: Ground) -> Finding:
    node = ground.pod.node
    asked = isinstance(ground.devices, Devices)
    has = f"{device} has {server}" if device else f"none has {server}"
    seen = (Evidence(f"network devices of {node}", has, ground.now),) if asked else ()
    return Finding(
        id="nodelocal-dns-broken",
        severity=Severity.PROBLEM,
        claim=f"The node's DNS cache {server} {how(answer)} from inside {ground.pod}, while DNS pods answer",
        evidence=(*_evidence(ways, server, ground), *seen),
        disprove=f"An answer from {server} to the same query inside the pod.",
        fix=f"Restart the node-local-dns pod of {node}."
        if device or not asked
        else f"See why no node-local-dns runs on {node}, or give the pods the service's address (the kubelet's --cluster-dns).",
        subject=str(ground.pod),
        node=node,
        look_further="pods in kube-system",
    )


def _replicas(ways: Ways, ground: Ground) -> Iterator[Finding]:
    """DNS pods that fail, or lack what others know. Where all fail and so does the nameserver, its finding says so."""
    replicas = ways.replicas()
    known = any(isinstance(a, DnsAnswer) and a.records for of in replicas.values() for a in of.values())
    bad = {name: {t: a for t, a in of.items() if _lacking(a, known)} for name, of in replicas.items()}
    good = [name for name, of in replicas.items() if all(works(a) for a in of.values()) and not bad[name]]
    bad = {name: of for name, of in bad.items() if of}
    for name, of in bad.items() if good else ():
        one = "dns-one-replica-broken" if len(bad) == 1 else ""
        yield _replica(ways, name, of, f"{len(good)} of {len(replicas)} DNS pods answer", one, ground)
    if not good and all(works(a) for server in ways.asked for a in ways.of(server).values()):
        for name, of in bad.items():
            alone = _replica(ways, name, of, f"{', '.join(ways.asked)} answers", "", ground)
            yield replace(alone, severity=Severity.WARNING, fix=_FIXES["direct"])


def _lacking(answer: Answer, known: bool) -> bool:  # noqa: FBT001  (what the others say, beside what this one says)
    return fails(answer) or (known and isinstance(answer, DnsAnswer) and not answer.records)


def _replica(ways: Ways, name: str, of: dict[str, Answer], rest: str, one: str, ground: Ground) -> Finding:
    """One DNS pod's failure; `one` is the id where it is the only one: of several, a way or what they share is broken."""
    answer = next(a for a in of.values() if isinstance(a, DnsAnswer))
    only = "" if len(of) == len(ways.replicas()[name]) else f" over {next(iter(of)).upper()}"
    does = f"{how(answer)} for {ways.name}" if not silent(answer) else how(answer)
    pod = name.split(" (", maxsplit=1)[0]
    return Finding(
        id=one or ("dns-unreachable" if silent(answer) else "dns-servfail"),
        severity=Severity.PROBLEM,
        claim=f"DNS pod {name} {does}{only} from inside {ground.pod}; {rest}",
        evidence=_evidence(ways, "", ground),
        disprove=f"An answer from {name} to the same query inside the pod.",
        fix="Delete that DNS pod so that it is made anew; if it comes back so, read its log and look at the way to its node.",
        subject=pod,
        node=ground.pod.node,
        look_further="" if pod.startswith("endpoint") else f"pod {pod}",
    )


def _sometimes(ways: Ways, ground: Ground) -> Iterator[Finding]:
    """A way that was not answered at first and was then: one finding a server."""
    said: set[str] = set()
    for way, tries in ways.tries.items():
        if len(tries) > 1 and fails(tries[0]) and works(tries[-1]) and way.server not in said:
            said.add(way.server)
            yield sometimes(str(way), ways.name, tries, ground)


def sometimes(way: str, name: str, tries: tuple[Answer, ...], ground: Ground) -> Finding:
    """One of two equal questions failed: a single one can be lost by chance, so nothing more is claimed."""
    first = next(a for a in tries if isinstance(a, DnsAnswer))
    lost = "unanswered" if silent(first) else f"with {first.rcode}"
    asked = (Evidence(f"DNS query for {name} to {way} inside {ground.pod}", words(a), ground.now)
             for a in tries if isinstance(a, DnsAnswer))  # fmt: skip
    return Finding(
        id="dns-unreachable" if silent(first) else "dns-servfail",
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        claim=f"DNS {way} left one of two queries {lost} from inside {ground.pod}",
        evidence=tuple(asked),
        disprove="Both answered each time when it is asked again.",
        fix="Ask again: if it stays so, look for what drops packets on the way, and at how busy the DNS pods are."
        + (
            " The second was asked without EDNS, as C libraries ask: what drops EDNS alone does not harm them."
            if silent(first)
            else ""
        ),
        subject=str(ground.pod),
        node=ground.pod.node,
        look_further=f"node {ground.pod.node}",
    )


def _evidence(ways: Ways, server: str, ground: Ground) -> tuple[Evidence, ...]:
    """How this nameserver answered (all, where none is named), and each DNS pod: one piece a server."""
    said: dict[str, list[str]] = {}
    for way, tries in ways.tries.items():
        if way.replica or way.server == (server or way.server):
            last = tries[-1]
            words_of = words(last) if isinstance(last, DnsAnswer) else last.reason
            said.setdefault(way.whom, []).append(f"{way.transport.upper()} {words_of}")
    asked = f"DNS queries for {ways.name} inside {ground.pod}"
    return tuple(Evidence(f"{asked} to {whom}", "; ".join(of), ground.now) for whom, of in said.items())
