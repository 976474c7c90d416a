"""A pod's container ends again and again; the kubelet waits before it starts it once more."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy.lab.lab import Lab
    from deploy.lab.manifests import Object

NAME = "crash-loop"
ASK = "pod {hello}"
FINDING = "pod-container-waiting"
_BACK_OFF = "back-off 5m0s restarting failed container"


def inject(lab: Lab) -> Callable[[], object]:
    """Let the API say so of the first hello-world pod, and take it out of its service."""
    before = lab.api_object(lab.find_pod("hello-world"))
    broken = dict(copy.deepcopy(before))
    status = broken["status"]
    for condition in status["conditions"]:
        if condition["type"] in ("Ready", "ContainersReady"):
            condition.update(status="False", reason="ContainersNotReady")
    waiting = {"reason": "CrashLoopBackOff", "message": _BACK_OFF}
    status["containerStatuses"][0].update(ready=False, started=False, restartCount=7, state={"waiting": waiting})
    lab.store.put(broken)
    lab.apply()
    return partial(_mend, lab, before)


def _mend(lab: Lab, pod: Object) -> None:
    lab.store.put(pod)
    lab.apply()
