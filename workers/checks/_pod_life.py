"""Where a pod stands in its life by Kubernetes' own word, before any node is asked, in the words of the product."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from workers.check import View
from workers.model import Evidence, Finding, Severity
from workers.objects import Container, Pod


@dataclass(frozen=True)
class State:
    """A state of the pod that is worth a finding, and what says so."""

    id: str
    severity: Severity
    claim: str
    fix: str
    why: str


_WAITING_WELL = frozenset({"ContainerCreating", "PodInitializing"})


def judge(view: View, pod: Pod) -> Iterator[Finding]:
    """At most one finding on where the pod stands in its life, and those on its containers."""
    yield from _life(view, pod)
    yield from _containers(view, pod)


def node_deleted(view: View, pod: Pod) -> bool:
    """Whether the pod names a node that a current list of nodes does not have."""
    current = not any(b.kind == "nodes" for b in view.cluster.behind)
    return current and bool(pod.node) and pod.node not in view.cluster.nodes


def of_state(pod: Pod, state: State, evidence: Evidence) -> Finding:
    """The finding that the pod is in this state."""
    return Finding(
        id=state.id,
        severity=state.severity,
        claim=state.claim,
        evidence=(evidence,),
        disprove="A newer look that shows it otherwise.",
        fix=state.fix,
        subject=str(pod),
        node=pod.node,
    )


def _life(view: View, pod: Pod) -> Iterator[Finding]:
    crashing = any(_stuck(c) for c in pod.containers)
    states = (
        (pod.phase == "Succeeded", "pod-finished", Severity.INFO, "has finished; it has no network any more",
         "Ask about a pod that is running."),
        (pod.phase == "Failed", "pod-failed", Severity.WARNING, "has failed; it has no network any more",
         "Read its logs and events; its controller may replace it."),
        (node_deleted(view, pod), "pod-on-deleted-node", Severity.PROBLEM, f"is on {pod.node}, a node that is deleted",
         "Delete the pod; the node will not come back for it."),
        (not pod.node, "pod-pending", Severity.PROBLEM, "is on no node yet: it waits to be scheduled",
         "Read the pod's events: the scheduler says what it lacks."),
        (not pod.ips, "pod-no-ip", Severity.PROBLEM, "has no IP yet: its sandbox has no network",
         "Read the pod's events for FailedCreatePodSandBox, and the CNI plugin's log on its node."),
        (pod.deleting, "pod-terminating", Severity.WARNING, "is being deleted; services may already have stopped sending to it",
         "Ask about the pod that replaces it."),
        (not pod.ready and not crashing, "pod-not-ready", Severity.WARNING, "is not ready, so services do not send to it",
         "Read its readiness probe and its logs."),
    )  # fmt: skip
    for holds, id_, severity, claim, fix in states:
        if holds:
            yield _of_api(
                view, pod, State(id_, severity, f"{pod} {claim}", fix, ": ".join(filter(None, [pod.reason, pod.message])))
            )
            return


def _containers(view: View, pod: Pod) -> Iterator[Finding]:
    for container in pod.containers:
        if _stuck(container):
            claim = f"Container {container.name} of {pod} is not running: {container.reason or 'waiting'}"
            fix = "Read the container's logs and the pod's events."
            yield _of_api(view, pod, State("pod-container-waiting", Severity.PROBLEM, claim, fix, container.message))


def _stuck(container: Container) -> bool:
    """Whether it waits for something that does not come by itself; one that has ended does not wait."""
    return container.state == "waiting" and container.reason not in _WAITING_WELL


def _of_api(view: View, pod: Pod, state: State) -> Finding:
    said = "; ".join(filter(None, [f"phase {pod.phase}", state.why]))
    return of_state(pod, state, Evidence(f"Kubernetes API, pod {pod}, status", said, view.cluster.as_of))
