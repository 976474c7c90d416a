"""A pod has no default route: it reaches its own node's pods and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy.lab.lab import Lab

NAME = "no-default-route"
ASK = "pod {hello}"
FINDING = "veth-broken"


def inject(lab: Lab) -> Callable[[], object]:
    """Take it, of both families, from the first hello-world pod."""
    gateways = [_ip(lab, family, "show", "default").split()[2] for family in ("-4", "-6")]
    for family in ("-4", "-6"):
        _ip(lab, family, "delete", "default")
    return partial(_mend, lab, gateways)


def _mend(lab: Lab, gateways: list[str]) -> None:
    for family, gateway in zip(("-4", "-6"), gateways, strict=True):
        _ip(lab, family, "add", "default", "via", gateway)


def _ip(lab: Lab, family: str, *words: str) -> str:
    pod = lab.find_pod("hello-world")
    enter = ["nsenter", f"--target={pod.pid}", "--net"]
    return lab.nodes[pod.node].run([*enter, "ip", family, "route", *words]).stdout
