"""A small healthy cluster, and the answers that its nodes give; a case says only in what it differs.

Paths such as ``cluster.pods.default/web-1.ready`` and ``answers.interfaces.interfaces.1.peer.mutual`` are replaced one by one.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

HEALTHY = Path(__file__).parent / "healthy.json"
NOW = "2026-01-01T00:10:00Z"


def world(changes: dict[str, Any]) -> dict[str, Any]:
    """The healthy world with some of its values replaced; a value of "-" at the end of a path removes what stands there."""
    made: dict[str, Any] = copy.deepcopy(json.loads(HEALTHY.read_text()))
    for path, value in changes.items():
        _set(made, path.split("."), value)
    return made


def _set(at: Any, path: list[str], value: Any) -> None:
    head, *rest = path
    key: Any = int(head) if isinstance(at, list) else head
    if rest:
        _set(at[key], rest, value)
    elif value == "-":
        del at[key]
    elif isinstance(at, list) and key == len(at):
        at.append(value)
    else:
        at[key] = value
