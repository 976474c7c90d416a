"""The pods of a namespace as `kubectl get pod -o wide` lists them, those that do not work, and those that share an address."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated

from workers import findings
from workers.check import Access, Check, Plan, View
from workers.checks import _pod_life
from workers.checks._listing import age, listing, within
from workers.model import Finding, Shown
from workers.objects import Pod
from workers.params import Arg, Namespace

COLUMNS = ("namespace", "name", "ready", "status", "restarts", "age", "IP", "node")
_USUAL = frozenset({"pod-finished", "pod-terminating"})
"""States that come with every job and every rollout: said of a pod that somebody asks about, not in a list."""


@dataclass(frozen=True)
class Params:
    """Whose pods."""

    namespace: Annotated[Namespace | None, Arg("the namespace, or all", word="in")] = None


def plan(params: Params, view: View) -> Plan[tuple[Pod, ...]]:
    """Nothing is asked of a node."""
    yield from ()
    return within(view, params.namespace, view.cluster.pods.values())


def judge(_params: Params, view: View, seen: tuple[Pod, ...]) -> Iterator[Finding]:
    """Kinds that are not current, pods that do not work, and addresses that two pods have."""
    yield from findings.cluster_gaps(view, "pods", "nodes")
    told: set[str] = set()
    for pod in seen:
        yield from (replace(f, look_further=f"pod {pod}") for f in _pod_life.judge(view, pod) if f.id not in _USUAL)
        yield from findings.duplicate_ip(view, pod, told)
        if not pod.host_network and pod.phase == "Running":
            told.update(pod.ips)


def show(params: Params, view: View, seen: tuple[Pod, ...]) -> Shown:
    """One row a pod."""
    return listing(view, "pods", params.namespace, COLUMNS, tuple(_row(view, p) for p in seen))


def _row(view: View, pod: Pod) -> tuple[str, ...]:
    ready = f"{sum(c.ready for c in pod.containers)}/{len(pod.containers)}"
    waiting = next((c.reason for c in pod.containers if c.state != "running" and c.reason), "")
    status = "Terminating" if pod.deleting else waiting or pod.reason or pod.phase
    restarts = str(sum(c.restarts for c in pod.containers))
    return (
        pod.namespace,
        pod.name,
        ready,
        status,
        restarts,
        age(pod.created, view.now),
        ", ".join(pod.ips) or "-",
        pod.node or "-",
    )


CHECK = Check(
    name="pods",
    summary="The pods of a namespace: ready, status, restarts, age, IP, node, and those that do not work",
    access=Access.READ,
    params=Params,
    plan=plan,
    judge=judge,
    show=show,
    examples=("pods", "pods in shop", "pods in all"),
)
