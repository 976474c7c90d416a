"""Every check, one file each; found by themselves. A malformed or misnamed one cannot be imported."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from workers.check import Check


def catalogue() -> dict[str, Check[Any, Any]]:
    """Every check by its name. Raises `TypeError` for a module without a `CHECK` of its own name."""
    found: dict[str, Check[Any, Any]] = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name.startswith("_"):
            continue
        check = getattr(importlib.import_module(f"{__name__}.{module.name}"), "CHECK", None)
        if not isinstance(check, Check) or check.name != module.name:
            raise TypeError(f"workers/checks/{module.name}.py must define CHECK named {module.name!r}")
        found[check.name] = check
    return found
