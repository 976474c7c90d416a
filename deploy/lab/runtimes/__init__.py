"""The container runtimes that a node can have: each module in here is one, found by its ``NAME``.

A module has ``NAME`` and ``start(node, plan) -> Runtime``; nothing else names it.
"""

from __future__ import annotations

import importlib
import pkgutil

from deploy.lab.errors import LabError
from deploy.lab.node import Node
from deploy.lab.plan import NodePlan
from deploy.lab.runtime import Runtime


def start(node: Node, plan: NodePlan) -> Runtime:
    """Start the runtime that the plan names; it is ready when this returns."""
    modules = [importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    for module in modules:
        if plan.runtime == module.NAME:
            runtime: Runtime = module.start(node, plan)
            return runtime
    raise LabError(f"{plan.name}: no runtime {plan.runtime!r}; there are {', '.join(m.NAME for m in modules)}")
