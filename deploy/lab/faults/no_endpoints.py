"""A service selects pods that do not exist."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from deploy.lab import workload

if TYPE_CHECKING:
    from deploy.lab.lab import Lab
    from deploy.lab.manifests import Object

NAME = "no-endpoints"
ASK = "services"
FINDING = "service-no-endpoints"


def inject(lab: Lab) -> Callable[[], object]:
    """Misspell the selector of hello-world."""
    right = next(service for service in workload.services() if service["metadata"]["name"] == "hello-world")
    wrong = dict(copy.deepcopy(right))
    wrong["spec"]["selector"] = {"app": "helo-world"}
    _put(lab, wrong)
    return partial(_put, lab, right)


def _put(lab: Lab, service: Object) -> None:
    lab.store.put(service)
    lab.apply()
