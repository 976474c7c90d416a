"""The states of a pod that answer the question before any packet is looked at: its life, and its sandbox on the node."""

from __future__ import annotations

from collections.abc import Iterator

from node_helper.facts import sandbox
from node_helper.facts.devices import Devices
from workers.check import View
from workers.checks import _pod_life
from workers.checks._pod_life import State
from workers.checks._pod_seen import Seen
from workers.model import Confidence, Evidence, Finding, Severity

_SHOWN = 8


def judge(view: View, seen: Seen) -> Iterator[Finding]:
    """What Kubernetes says of the pod, then what its node does."""
    yield from _pod_life.judge(view, seen.pod)
    yield from _sandbox(view, seen)


def _sandbox(view: View, seen: Seen) -> Iterator[Finding]:
    place, pod = seen.sandbox, seen.pod
    if not isinstance(place, sandbox.Sandbox):
        return
    seen_at = ", ".join(place.sources[:3])
    other = _other_machine(view, seen)
    if other:
        yield other
    elif place.netns is None:
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


def _other_machine(view: View, seen: Seen) -> Finding | None:
    """What a machine that is not the pod's node says of the pod proves nothing."""
    node = view.cluster.nodes.get(seen.pod.node)
    if node is None or not node.addresses or not isinstance(seen.devices, Devices):
        return None
    has = [address.split("/")[0] for device in seen.devices.devices for address in device.addresses]
    if set(has) & set(node.addresses):
        return None
    return Finding(
        id="unknown-node",
        severity=Severity.UNKNOWN,
        confidence=Confidence.CANNOT_TELL,
        claim=f"The machine that answers as {node.name} has none of its addresses, and no trace of {seen.pod}: it may be another",
        evidence=(
            Evidence(f"Kubernetes API, node {node.name}, status.addresses", ", ".join(node.addresses), view.cluster.as_of),
            Evidence("netlink RTM_GETADDR on the machine that answers", ", ".join(has[:_SHOWN]) or "none", view.now),
        ),
        disprove=f"One of {node.name}'s addresses on that machine.",
        fix=f"See whom the worker's SSH configuration means by {node.name} (HostName), and who has that address now.",
        subject=str(seen.pod),
        node=node.name,
    )


def _of_node(view: View, seen: Seen, state: State) -> Finding:
    return _pod_life.of_state(seen.pod, state, Evidence(f"asking {seen.pod.node}", state.why or "nothing", view.now))
