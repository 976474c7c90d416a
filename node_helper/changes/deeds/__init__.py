"""Every deed, one file each. The list is written out: nothing becomes a way to change a node by being put into a folder."""

from __future__ import annotations

import importlib
from typing import Any

from node_helper.changes.deed import Deed

NAMES = ("apply",)


def catalogue() -> dict[str, Deed[Any, Any]]:
    """Every deed by its name."""
    return {name: find(name) for name in NAMES}


def find(name: str) -> Deed[Any, Any]:
    """One of `NAMES`. Raises `TypeError` for a module without a `DEED` of its own name."""
    deed = getattr(importlib.import_module(f"{__name__}.{name}"), "DEED", None)
    if not isinstance(deed, Deed) or deed.name != name:
        raise TypeError(f"node_helper/changes/deeds/{name}.py must define DEED named {name!r}")
    return deed
