"""A node has no helper any more, and the one that ran has ended."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from deploy.lab import helper

if TYPE_CHECKING:
    from deploy.lab.lab import Lab

NAME = "helper-missing"
ASK = "pod {hello}"
FINDING = "unknown-node"


def inject(lab: Lab) -> Callable[[], object]:
    """Take the launcher of the first node away."""
    node = lab.nodes[lab.plans[0].name]
    launcher = node.path(helper.LAUNCHER)
    aside = launcher.rename(launcher.with_name("aside"))
    node.run(["pkill", "-KILL", "-f", helper.COMMAND], check=False)  # none runs where nobody asked yet
    return partial(aside.rename, launcher)
