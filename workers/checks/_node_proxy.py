"""Who moves a node's packets: what kube-proxy says of itself, and programs that stand in its place.

Sources: pkg/proxy/healthcheck and pkg/proxy/metrics of Kubernetes; kubernetes/kubernetes#90175 (stuck syncs).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from node_helper.facts.backends import Backends
from node_helper.facts.kube_proxy import KubeProxy, Process, Sample
from node_helper.programs import Program, Programs
from node_helper.protocol import CannotLook
from workers import findings
from workers.check import View
from workers.checks._node_seen import Seen, in_kernel, mode, proxies
from workers.model import Confidence, Evidence, Finding, Severity

_SYNCED = "kubeproxy_sync_proxy_rules_last_timestamp_seconds"
_QUEUED = "kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds"
_LONG_S = 60.0
"""kube-proxy calls itself unhealthy after as long (healthTimeout, twice its shortest full sync period)."""
_UNHEALTHY = 500
_SHOWN = 6
_ITS_OWN, _WITHOUT = "kube-proxy", "--disable-kube-proxy"
_MODES = ("iptables", "ipvs", "nftables")


@dataclass(frozen=True)
class Sync:
    """When kube-proxy last had something to do and when it had last done it; seconds of the epoch by the node's clock."""

    queued: float
    synced: float
    now: float

    @property
    def waiting_s(self) -> float:
        """For how long changes have been waiting; 0 where none are."""
        return self.now - self.queued if self.queued > self.synced else 0.0


def judge(view: View, seen: Seen) -> Iterator[Finding]:
    """Every finding about who moves the packets."""
    if isinstance(seen.settings.kube_proxy, KubeProxy):
        yield from _down(view, seen, seen.settings.kube_proxy)
        yield from _behind(view, seen, seen.settings.kube_proxy)
    if isinstance(seen.settings.backends, Backends) and not _starting(seen):
        yield from _ruleless(view, seen, seen.settings.backends)
    yield from _ipvs(view, seen)
    if isinstance(seen.settings.dataplane, Programs):
        yield from _programs(view, seen, seen.settings.dataplane)


def syncs(proxy: KubeProxy) -> list[Sync]:
    """One, or one of each family where kube-proxy tells them apart; none where it tells nothing."""
    queued, synced = (_by_labels(proxy.samples, name) for name in (_QUEUED, _SYNCED))
    return [Sync(at, synced.get(labels, 0.0), proxy.now) for labels, at in queued.items()]


def failures(proxy: KubeProxy) -> int:
    """How many loads of rules were refused since kube-proxy started (not all of them are followed by a good one)."""
    return int(sum(s.value for s in proxy.samples if s.name.endswith("_failures_total")))


def _down(view: View, seen: Seen, proxy: KubeProxy) -> Iterator[Finding]:
    """A node without any sign of kube-proxy is one of a cluster without it: that proves nothing."""
    pods, processes = proxies(view, seen.node), _meant(seen, proxy)
    if proxy.health.outcome == "answered" or not (pods or processes):
        return
    ran = ", ".join(f"{p.name} ({p.pid})" for p in processes) or "none"
    yield Finding(
        id="proxy-down",
        severity=Severity.PROBLEM,
        # With a process there, its health check may have been put elsewhere.
        confidence=Confidence.LIKELY if processes else Confidence.CONFIRMED,
        claim=f"kube-proxy on {seen.node.name} {'does not answer' if processes else 'is not running'}",
        evidence=(
            Evidence(f"GET :10256/healthz on {seen.node.name}", proxy.health.outcome, view.now),
            Evidence(f"processes of kube-proxy on {seen.node.name}", ran, view.now),
            Evidence("Kubernetes API, pods of kube-proxy", ", ".join(map(str, pods)) or "none on this node", view.cluster.as_of),
        ),
        disprove="An answer at :10256/healthz of the node (or where --healthz-bind-address puts it).",
        fix=f"Read its log (`kubectl logs -n {pods[0].namespace} {pods[0].name}`), then restart it: rules grow stale without it."
        if pods
        else "Read its log on the node, then restart it: rules grow stale without it.",
        node=seen.node.name,
        look_further=f"pod {pods[0]}" if pods else "",
    )


def _meant(seen: Seen, proxy: KubeProxy) -> list[Process]:
    """Its processes. One of k3s has it inside unless it was told not to; what a file tells it shows in that it left no rules."""
    rules = not isinstance(seen.settings.backends, Backends) or bool(in_kernel(seen.settings.backends))
    return [p for p in proxy.processes if p.name == _ITS_OWN or (rules and not any(a.startswith(_WITHOUT) for a in p.argv))]


def _ruleless(view: View, seen: Seen, found: Backends) -> Iterator[Finding]:
    """Every cluster has services, and so every node something that handles them: with no rules of kube-proxy it is another."""
    node, said, holds = seen.node.name, mode(seen), in_kernel(found)
    evidence = Evidence(f"tables of kube-proxy and virtual servers of {node}", ", ".join(holds) or "none", view.now)
    if said in _MODES and not any(each.startswith(said) for each in holds):
        yield Finding(
            id="service-rules-drift",
            severity=Severity.PROBLEM,
            claim=f"kube-proxy on {node} says that it works in {said} mode, and the kernel holds no rules of that mode",
            evidence=(Evidence(f"GET :10249/proxyMode on {node}", said, view.now), evidence),
            disprove=f"Rules of kube-proxy in {said}.",
            fix="Restart kube-proxy there, and find what removes its rules (a firewall's reload, `nft flush ruleset`).",
            node=node,
            look_further=f"rules node/{node}",
        )
    elif not holds and not (isinstance(seen.settings.dataplane, Programs) and seen.settings.dataplane.programs):
        yield Finding(
            id="dataplane-not-evaluated",
            severity=Severity.UNKNOWN,
            confidence=Confidence.CANNOT_TELL,
            claim=f"{node} holds no rules of kube-proxy; what handles services there, if anything does, was not evaluated",
            evidence=(evidence,),
            disprove="Rules of kube-proxy, or a service's address that answers from the node.",
            fix="Ask the tool of whoever replaces kube-proxy there (`cilium status`, `calico-node -bpf`); else start kube-proxy.",
            node=node,
        )


def _starting(seen: Seen) -> bool:
    """Whether kube-proxy still works on its first sync of some family: it writes all rules at once, at its end."""
    proxy = seen.settings.kube_proxy
    return isinstance(proxy, KubeProxy) and any(not s.synced for s in syncs(proxy))


def _behind(view: View, seen: Seen, proxy: KubeProxy) -> Iterator[Finding]:
    waiting = max((s.waiting_s for s in syncs(proxy)), default=0.0)
    unwell = proxy.health.status >= _UNHEALTHY and '"nodeEligible": false' not in proxy.health.text
    if waiting < _LONG_S and not unwell and not _starting(seen):
        return
    times = [
        Evidence(
            f"kube-proxy's {name.removeprefix('kubeproxy_')}, before now", f"{proxy.now - at:.0f} s" if at else "never", view.now
        )
        for s in syncs(proxy)
        for name, at in ((_QUEUED, s.queued), (_SYNCED, s.synced))
    ]
    failed = failures(proxy)
    yield Finding(
        id="proxy-not-synced",
        severity=Severity.PROBLEM if unwell or failed else Severity.WARNING,
        claim=f"kube-proxy on {seen.node.name} "
        + (
            f"has not applied changes that have been waiting for {waiting:.0f} s"
            if waiting >= _LONG_S
            else "says that it is unwell"
            if unwell
            else "has not applied its first rules yet"
        ),
        evidence=(
            Evidence(f"GET :10256/healthz on {seen.node.name}", f"{proxy.health.status} {proxy.health.text[:150]}", view.now),
            *times,
            *((Evidence("kube-proxy's sync_proxy_rules_*_failures_total", str(failed), view.now),) if failed else ()),
        ),
        disprove="A later time of its last sync. The first sync of very many services takes minutes.",
        fix="Read its log for refused rules (iptables-restore, nft) or for the API server being out of its reach.",
        node=seen.node.name,
    )


def _ipvs(view: View, seen: Seen) -> Iterator[Finding]:
    """kube-proxy keeps the services' addresses on a dummy device in this mode, and in no other."""
    device = next((d for d in seen.devices if d.link.name == "kube-ipvs0" and d.addresses), None)
    if device:
        yield Finding(
            id="ipvs-deprecated",
            severity=Severity.INFO,
            claim=f"kube-proxy on {seen.node.name} works in IPVS mode, which is deprecated since Kubernetes 1.35",
            evidence=(Evidence("device kube-ipvs0 (netlink RTM_GETADDR)", f"{len(device.addresses)} addresses", view.now),),
            disprove="No device kube-ipvs0 with addresses.",
            fix="Plan the move to kube-proxy's nftables mode.",
            node=seen.node.name,
            look_further=f"ipvs node/{seen.node.name}",
        )


def _programs(view: View, seen: Seen, found: Programs) -> Iterator[Finding]:
    if found.unseen:
        cannot = CannotLook("; ".join(found.unseen), kind="missing", fix="Let the helper run as root, without a seccomp filter.")
        yield findings.unknown(cannot, node=seen.node.name, what="all eBPF programs", now=view.now)
    if found.programs:
        yield Finding(
            id="dataplane-not-evaluated",
            severity=Severity.UNKNOWN,
            confidence=Confidence.CANNOT_TELL,
            claim=f"eBPF programs see the packets of {seen.node.name}; what they do with services and policies was not evaluated",
            evidence=tuple(Evidence(where, what, view.now) for where, what in grouped(found.programs).items()),
            disprove="No program on the node's and the pods' devices or its root cgroup, or none that sends or drops.",
            fix="Ask the tool of whom they belong to (`cilium status`, `calico-node -bpf`, `bpftool net`).",
            node=seen.node.name,
        )


def grouped(programs: tuple[Program, ...]) -> Mapping[str, str]:
    """Programs by where they are attached: their names, and at how many devices."""
    places: dict[str, list[Program]] = {}
    for program in programs:
        places.setdefault(program.place, []).append(program)
    return {place: _words(found) for place, found in places.items()}


def _words(found: list[Program]) -> str:
    names = sorted({p.name or f"id {p.id}" for p in found})
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    where = sorted({p.at for p in found})
    at = where[0] if len(where) == 1 else f"{len(where)} places"
    return f"{', '.join(names[:_SHOWN])}{more} at {at}"


def _by_labels(samples: tuple[Sample, ...], name: str) -> dict[str, float]:
    return {s.labels: s.value for s in samples if s.name == name and s.value >= 0}
