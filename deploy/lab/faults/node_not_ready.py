"""A node's kubelet has stopped to report."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from deploy.lab.errors import LabError

if TYPE_CHECKING:
    from deploy.lab.lab import Lab

NAME = "node-not-ready"
ASK = "node node-two"
FINDING = "node-not-ready"


def inject(lab: Lab) -> Callable[[], object]:
    """Let the API say so of the second node."""
    before = lab.store.get("Node", "node-two")
    if before is None:
        raise LabError("the lab's API has no node-two")
    broken = dict(copy.deepcopy(before))
    for condition in broken["status"]["conditions"]:
        if condition["type"] == "Ready":
            condition.update(status="Unknown", reason="NodeStatusUnknown")
    lab.store.put(broken)
    return partial(lab.store.put, before)
