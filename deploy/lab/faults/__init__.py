"""What can be broken in a lab, each in a module of its own that is found by itself.

A module has ``NAME``, ``ASK`` (a command that must find it; ``{hello}`` and ``{client}`` stand for the pods of the first
node), ``FINDING`` (the id under which it must be named) and ``inject(lab)``, which breaks the lab and returns what mends it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy.lab.lab import Lab

Mend = Callable[[], object]


@dataclass(frozen=True)
class Fault:
    """One way to break a lab."""

    name: str
    ask: str
    finding: str
    inject: Callable[[Lab], Mend]

    @contextmanager
    def injected(self, lab: Lab) -> Iterator[None]:
        """The lab is broken inside, and as before after."""
        mend = self.inject(lab)
        try:
            yield
        finally:
            mend()


def find() -> Mapping[str, Fault]:
    """Every fault by its name."""
    modules = [importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    faults = (Fault(module.NAME, module.ASK, module.FINDING, module.inject) for module in modules)
    return {fault.name: fault for fault in faults}
