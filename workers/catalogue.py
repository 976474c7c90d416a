"""Everything that makes a job: the checks, and the changes, whose plans are checks too. Found by themselves, one file each."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from workers import changes, checks
from workers.changes.change import Change
from workers.check import Check


def catalogue() -> dict[str, Check[Any, Any]]:
    """By their names. Raises `TypeError` where two have one name."""
    found = checks.catalogue()
    for name, change in all_changes().items():
        if name in found:
            raise TypeError(f"there is a check and a change named {name!r}")
        found[name] = change.check
    return found


def all_changes() -> dict[str, Change[Any, Any]]:
    """The modules of `workers.changes` that define a `CHANGE`. Raises `TypeError` for one that is not named as its module."""
    found: dict[str, Change[Any, Any]] = {}
    for module in pkgutil.iter_modules(changes.__path__):
        change = getattr(importlib.import_module(f"{changes.__name__}.{module.name}"), "CHANGE", None)
        if change is None:
            continue
        if not isinstance(change, Change) or change.name != module.name:
            raise TypeError(f"workers/changes/{module.name}.py must define CHANGE named {module.name!r}")
        found[change.name] = change
    return found
