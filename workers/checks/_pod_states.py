"""The states of a pod that answer the question before any packet is looked at, in the words of the product."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from node_helper.facts import sandbox
from workers.check import View
from workers.checks._pod_seen import Seen
from workers.model import Evidence, Finding, Severity
from workers.objects import Container


@dataclass(frozen=True)
class State:
    """A state of the pod that is worth a finding, and what says so."""

    id: str
    severity: Severity
    claim: str
    fix: str
    why: str


_WAITING_WELL = frozenset({"ContainerCreating", "PodInitializing"})


def judge(view: View, seen: Seen) -> Iterator[Finding]:
    """At most one finding on where the pod stands in its life, and those on its containers and its sandbox."""
    yield from _life(view, seen)
    yield from _containers(view, seen)
    yield from _sandbox(view, seen)


def _life(view: View, seen: Seen) -> Iterator[Finding]:
    pod = seen.pod
    crashing = any(_stuck(c) for c in pod.containers)
    states = (
        (pod.phase == "Succeeded", "pod-finished", Severity.INFO, "has finished; it has no network any more",
         "Ask about a pod that is running."),
        (pod.phase == "Failed", "pod-failed", Severity.WARNING, "has failed; it has no network any more",
         "Read its logs and events; its controller may replace it."),
        (seen.node_deleted(view), "pod-on-deleted-node", Severity.PROBLEM, f"is on {pod.node}, a node that is deleted",
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
                view, seen, State(id_, severity, f"{pod} {claim}", fix, ": ".join(filter(None, [pod.reason, pod.message])))
            )
            return


def _containers(view: View, seen: Seen) -> Iterator[Finding]:
    for container in seen.pod.containers:
        if _stuck(container):
            claim = f"Container {container.name} of {seen.pod} is not running: {container.reason or 'waiting'}"
            fix = "Read the container's logs and the pod's events."
            yield _of_api(view, seen, State("pod-container-waiting", Severity.PROBLEM, claim, fix, container.message))


def _stuck(container: Container) -> bool:
    """Whether it waits for something that does not come by itself; one that has ended does not wait."""
    return container.state == "waiting" and container.reason not in _WAITING_WELL


def _sandbox(view: View, seen: Seen) -> Iterator[Finding]:
    place, pod = seen.sandbox, seen.pod
    if not isinstance(place, sandbox.Sandbox):
        return
    seen_at = ", ".join(place.sources[:3])
    if place.netns is None:
        words = {
            "stopped": ("only stopped sandboxes", "Wait for the kubelet to make a new one; its log on the node says why not."),
            "absent": ("no trace of it: no sandbox and no process", "Compare the kubelet's and the runtime's logs on the node."),
        }
        what, fix = words.get(place.state, ("no process of it and no pinned namespace", "Look at the runtime's log on the node."))
        yield _of_node(view, seen, State("pod-no-sandbox", Severity.PROBLEM, f"{pod.node} has {what} for {pod}", fix, seen_at))
    elif place.host_network != pod.host_network:
        was, said = ("the node's own", "its own") if place.host_network else ("its own", "the node's (hostNetwork)")
        claim = f"{pod} runs in {was} network namespace although Kubernetes says {said}"
        fix = "Delete the pod so that it is made anew."
        yield _of_node(view, seen, State("pod-namespace-differs", Severity.PROBLEM, claim, fix, seen_at))


def _of_api(view: View, seen: Seen, state: State) -> Finding:
    said = "; ".join(filter(None, [f"phase {seen.pod.phase}", state.why]))
    return _finding(seen, state, Evidence(f"Kubernetes API, pod {seen.pod}, status", said, view.cluster.as_of))


def _of_node(view: View, seen: Seen, state: State) -> Finding:
    return _finding(seen, state, Evidence(f"asking {seen.pod.node}", state.why or "nothing", view.now))


def _finding(seen: Seen, state: State, evidence: Evidence) -> Finding:
    return Finding(
        id=state.id,
        severity=state.severity,
        claim=state.claim,
        evidence=(evidence,),
        disprove="A newer look that shows it otherwise.",
        fix=state.fix,
        subject=str(seen.pod),
        node=seen.pod.node,
    )
