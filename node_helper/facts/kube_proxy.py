"""kube-proxy as the node sees it: its processes, and what it says of itself on its own ports."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import islice
from typing import Iterator

from node_helper.kernel import Kernel
from node_helper.protocol import CannotLook, Fact
from node_helper.records import Page

_NAMES = frozenset({"kube-proxy", "k3s", "k3s-server", "k3s-agent", "kubelite"})
_HEALTH_PORT, _METRICS_PORT = 10256, 10249  # k8s.io/kubernetes/pkg/cluster/ports
_LOOPBACKS = ("127.0.0.1", "::1")
_SECONDS = 1.0
_TEXT, _PAGE = 1024, 8 << 20
_ARGUMENTS = 1 << 14
_METRIC = re.compile(r"(kubeproxy_sync_proxy_rules_\w+?_(?:timestamp_seconds|failures_total|pending))(?:\{([^}]*)\})? (\S+)")
_MOST_SAMPLES = 100
_UID = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,63}")


@dataclass(frozen=True)
class Query:
    """UIDs and config hashes of the pods that should be kube-proxy's on this node: their processes are found by them."""

    pods: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for uid in self.pods:
            if not _UID.fullmatch(uid):
                raise ValueError(f"{uid[:80]!r} is no UID of a pod")


@dataclass(frozen=True)
class Process:
    """A process that is kube-proxy or has it inside (k3s, MicroK8s), with its command line."""

    pid: int
    name: str
    argv: tuple[str, ...]


@dataclass(frozen=True)
class Said:
    """How a question over HTTP ended (answered, refused, timeout, ...), the status and the beginning of the text."""

    outcome: str
    status: int = 0
    text: str = ""


@dataclass(frozen=True)
class Sample:
    """One value of /metrics; `labels` as it prints them, without the brackets."""

    name: str
    labels: str
    value: float


@dataclass(frozen=True)
class KubeProxy:
    """`health` is :10256/healthz, `mode` :10249/proxyMode, `samples` the times and failures of syncs from :10249/metrics.

    `now` is the node's clock in seconds since the epoch, as those times are.
    """

    processes: tuple[Process, ...]
    health: Said
    mode: Said
    samples: tuple[Sample, ...]
    now: float


def collect(kernel: Kernel, query: Query) -> KubeProxy:
    """Look for it, and ask it from the node itself."""
    health = _page(kernel, _HEALTH_PORT, "/healthz")
    mode = _page(kernel, _METRICS_PORT, "/proxyMode")
    metrics = _page(kernel, _METRICS_PORT, "/metrics") if mode.outcome == "answered" else mode
    return KubeProxy(
        processes=tuple(_processes(kernel, query)),
        health=_said(health),
        mode=_said(mode),
        samples=tuple(_samples(metrics.body)) if metrics.status == 200 else (),  # noqa: PLR2004  (OK)
        now=kernel.now(),
    )


def _processes(kernel: Kernel, query: Query) -> Iterator[Process]:
    words = {spelt for uid in query.pods for spelt in (uid, uid.replace("-", "_"))}
    for process in kernel.processes((*sorted(words), "kube-proxy", "k3s", "kubelite")):
        if process.comm in _NAMES:
            text = kernel.read(f"/proc/{process.pid}/cmdline", _ARGUMENTS) or ""
            yield Process(process.pid, process.comm, tuple(filter(None, text.split("\0"))))


def _page(kernel: Kernel, port: int, path: str) -> Page:
    """The answer of the first loopback address that does not refuse."""
    page = Page("refused", 0.0)
    for address in _LOOPBACKS:
        page = kernel.ask_http(kernel.own_netns(), address, port, path, _SECONDS, _PAGE)
        if page.outcome != "refused":
            break
    return page


def _said(page: Page) -> Said:
    return Said(page.outcome, page.status, page.body[:_TEXT])


def _samples(text: str) -> Iterator[Sample]:
    """The lines that matter of the text format of Prometheus. `CannotLook` ``malformed`` for a value that is no number."""
    for line in islice(filter(_METRIC.match, text.splitlines()), _MOST_SAMPLES):
        found = _METRIC.match(line)
        if found:
            value = _number(found[3], line)
            if math.isfinite(value):  # a counter that never counted may say NaN, which JSON cannot
                yield Sample(found[1], found[2] or "", value)


def _number(text: str, line: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise CannotLook(f"kube-proxy's /metrics has no number in {line[:80]!r}", kind="malformed") from None


FACT = Fact(name="kube_proxy", query=Query, answer=KubeProxy, collect=collect)
