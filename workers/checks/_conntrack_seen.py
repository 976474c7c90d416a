"""What the `conntrack` check asks about, and what it saw."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from node_helper.conntrack.wants import Which
from node_helper.facts import conntrack, conntrack_events, conntrack_stats, kernel_log, sysctl_files
from node_helper.protocol import CannotLook
from workers import locate
from workers.check import Samples, View
from workers.checks._counters import rise
from workers.errors import Ambiguous, Unresolved, UsageError
from workers.objects import Pod
from workers.params import NodeTarget, PodTarget, Target

_MOST_DESTINATIONS = 10_000
_ENDED = {
    phase: f"has {word}, and its address may be another pod's"
    for phase, word in (("Succeeded", "finished"), ("Failed", "failed"))
}


@dataclass(frozen=True)
class Where:
    """The node whose table it is; the pod whose flows are meant, where one was named."""

    node: str
    pod: Pod | None = None
    note: str = ""

    @property
    def subject(self) -> str:
        """Whom it is about."""
        return str(self.pod) if self.pod else self.node

    @property
    def ends(self) -> tuple[str, ...]:
        """The addresses of the pod; none for a node."""
        return self.pod.ips if self.pod else ()


@dataclass(frozen=True)
class Watched:
    """Events, added up. `happened` is by (event, protocol, address, port): how many, and how many without an answer.

    `rare` events went to destinations that were not among the commonest of their half second, and are in none of these counts.
    """

    new: int = 0
    updated: int = 0
    destroyed: int = 0
    rare: int = 0
    moments: int = 0
    lossy: int = 0
    happened: dict[tuple[str, str, str, int | None], tuple[int, int]] = field(default_factory=dict)
    lines: str = ""

    @property
    def events(self) -> int:
        """Of every kind."""
        return self.new + self.updated + self.destroyed

    @property
    def shown(self) -> int:
        """Those of which there is a line."""
        return self.lines.count("\n")

    def and_then(self, moment: conntrack_events.Moment) -> Watched:
        """With one moment more."""
        happened, rare = dict(self.happened), self.rare + moment.rare
        for one in moment.happened:
            key = (one.event, one.protocol, one.address, one.port)
            if key in happened or len(happened) < _MOST_DESTINATIONS:
                flows, unreplied = happened.get(key, (0, 0))
                happened[key] = (flows + one.flows, unreplied + one.unreplied)
            else:
                rare += one.flows
        return replace(
            self,
            new=self.new + moment.new,
            updated=self.updated + moment.updated,
            destroyed=self.destroyed + moment.destroyed,
            rare=rare,
            moments=self.moments + 1,
            lossy=self.lossy + moment.lost,
            happened=happened,
            lines=self.lines + moment.lines,
        )


@dataclass(frozen=True)
class Seen:
    """None where nothing was asked, `CannotLook` where looking failed."""

    where: Where
    which: Which
    stats: Samples[conntrack_stats.ConntrackStats] | CannotLook
    table: conntrack.Conntrack | CannotLook | None = None
    log: kernel_log.KernelLog | CannotLook | None = None
    files: sysctl_files.SysctlFiles | CannotLook | None = None
    watched: Watched | CannotLook | None = None
    meant_s: float = 0.0
    """For how long events were to be watched."""

    @property
    def watched_s(self) -> float:
        """For how long they were, to half a second."""
        moments = self.watched.moments if isinstance(self.watched, Watched) else 0
        return min(self.meant_s, moments * conntrack_events.MOMENT_S)

    @property
    def now(self) -> conntrack_stats.ConntrackStats | None:
        """The later of the two samples, where conntrack is in use."""
        return self.stats.second if isinstance(self.stats, Samples) and self.stats.second.in_use else None

    @property
    def unused(self) -> str:
        """What shows that conntrack is not in use there; "" where it is, or nobody could look."""
        return self.stats.second.evidence if isinstance(self.stats, Samples) and not self.stats.second.in_use else ""

    @property
    def risen(self) -> dict[str, int]:
        """By how much each counter rose between the samples, over the processors that both samples tell of."""
        if not isinstance(self.stats, Samples):
            return {}
        by_cpu = rises(self.stats).values()
        return {name: sum(rose.get(name, 0) for rose in by_cpu) for name in totals(self.stats.second)}

    @property
    def apart(self) -> float:
        """Seconds between the samples."""
        return self.stats.apart if isinstance(self.stats, Samples) else 0.0


def totals(stats: conntrack_stats.ConntrackStats) -> dict[str, int]:
    """Each counter over all processors."""
    names = {name: 0 for cpu in stats.cpus for name in cpu.counters}
    return {name: sum(cpu.counters.get(name, 0) for cpu in stats.cpus) for name in names}


def rises(samples: Samples[conntrack_stats.ConntrackStats]) -> dict[int, dict[str, int]]:
    """By how much each counter of each processor rose; what only one of the samples tells is left out."""
    first = {cpu.cpu: cpu.counters for cpu in samples.first.cpus}
    return {
        cpu.cpu: {name: rise(before[name], n) for name, n in cpu.counters.items() if name in before}
        for cpu in samples.second.cpus
        for before in [first.get(cpu.cpu, {})]
    }


def per_cpu(samples: Samples[conntrack_stats.ConntrackStats]) -> dict[int, dict[str, dict[str, float]]]:
    """Each counter of each processor that counted something: since it started, and a second between the samples."""
    rose = rises(samples)
    return {
        cpu.cpu: {
            name: {"total": n, "per_s": round(rose[cpu.cpu].get(name, 0) / samples.apart, 3)}
            for name, n in cpu.counters.items()
            if n and samples.apart
        }
        for cpu in samples.second.cpus
    }


def find(view: View, target: Target) -> Where:
    """A node by its name, else the pod that is meant. Raises `UsageError`."""
    if target.kind == "node" or (not target.kind and target.namespace is None and target.name in view.cluster.nodes):
        return Where(locate.node(view, NodeTarget("node", target.name)).name)
    if target.kind == "svc":
        raise UsageError(f"{target} is a service; its flows are those towards its address: conntrack NODE dst=ADDRESS")
    owner = [n.name for n in view.cluster.nodes.values() if target.kind == "ip" and target.name in n.addresses]
    if owner:
        return Where(owner[0])
    try:
        located = locate.pod(view, PodTarget(target.kind, target.name, target.namespace))
    except Ambiguous:
        raise
    except Unresolved:
        if target.kind == "ip":
            locate.listed(view, f"a node or a pod with the address {target.name}", target.name, "nodes", "pods")
        if target.kind:
            raise
        return Where(_node_like(view, target))
    pod = located.pod
    lacks = _ENDED.get(pod.phase) or ("" if pod.node else "is on no node yet") or ("" if pod.ips else "has no IP yet")
    if lacks:
        raise UsageError(f"{pod} {lacks}: no flow can be its own")
    shared = f"{pod} is on the node's own network: these are all flows of {pod.node}'s addresses." if pod.host_network else ""
    return Where(pod.node, pod, " ".join(filter(None, (located.note, shared))))


def _node_like(view: View, target: Target) -> str:
    """A node by the beginning of its name; otherwise nobody is meant."""
    near = tuple(sorted(name for name in view.cluster.nodes if name.startswith(target.name)))[:10]
    if near and target.namespace is None:
        return locate.node(view, NodeTarget("node", target.name)).name
    lists = ("pods", "nodes") if target.namespace is None else ("pods",)
    locate.listed(view, f"a node or a pod {target}", str(target), *lists, near=near)
    raise Unresolved(f"There is no node and no pod {target}", said=str(target), candidates=near)
