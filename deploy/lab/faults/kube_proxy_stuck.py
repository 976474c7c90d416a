"""kube-proxy has had changes to apply for two minutes, and has not."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from deploy.lab import proxy

if TYPE_CHECKING:
    from deploy.lab.lab import Lab

NAME = "kube-proxy-stuck"
ASK = "node node-two"
FINDING = "proxy-not-synced"


def inject(lab: Lab) -> Callable[[], object]:
    """Let the second node's say so."""
    plan = next(plan for plan in lab.plans if plan.name == "node-two")
    now = time.time()
    proxy.publish(lab.nodes[plan.name], plan, queued=now - 120, synced=now - 900)
    return lab.apply
