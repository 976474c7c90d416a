"""The container runtimes that a node can have: each module in here is one, found by its ``NAME``.

A module has ``NAME``, ``PACKAGES`` (None: the lab's tools have it) and ``start(node, plan) -> Runtime``; nothing else names it.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from deploy.lab import packages
from deploy.lab.errors import LabError
from deploy.lab.node import Node
from deploy.lab.packages import Say, Tools
from deploy.lab.plan import NodePlan
from deploy.lab.runtime import Runtime


def tools(plan: NodePlan, lab: Tools, say: Say) -> Tools:
    """The lab's tools, with what the plan's runtime needs besides."""
    wanted = _module(plan).PACKAGES
    return lab if wanted is None else lab.with_more(packages.prepare(say, wanted))


def start(node: Node, plan: NodePlan) -> Runtime:
    """Start the runtime that the plan names; it is ready when this returns."""
    runtime: Runtime = _module(plan).start(node, plan)
    return runtime


def _module(plan: NodePlan) -> Any:
    modules = [importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    for module in modules:
        if plan.runtime == module.NAME:
            return module
    raise LabError(f"{plan.name}: no runtime {plan.runtime!r}; there are {', '.join(m.NAME for m in modules)}")
