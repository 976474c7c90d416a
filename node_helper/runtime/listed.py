"""A sandbox as one runtime lists it, and reading the JSON in which runtimes say so."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Optional


@dataclass(frozen=True)
class Pod:
    """Who is looked for: the UIDs by which runtimes may know the pod (a static pod's is its config hash)."""

    name: str
    namespace: str
    uids: tuple[str, ...]


@dataclass(frozen=True)
class Listed:
    """`state` is ready, stopped or unknown by the runtime's own word; `pid` 0 where it names none.

    `netns_path` is the pinned namespace, `host_network` None where the runtime does not say, `handler` the runtime handler or
    shim, `source` the file or socket that says all this.
    """

    runtime: str
    id: str
    state: str
    attempt: int
    pid: int
    source: str
    netns_path: Optional[str] = None
    host_network: Optional[bool] = None
    handler: str = ""


def document(text: Optional[str]) -> object:
    """JSON, or None for what is absent or not JSON (a file may be half-written)."""
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None


def at(value: object, *keys: str) -> object:
    """What stands under the keys, one inside the other; None where one is not there."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def text_at(value: object, *keys: str) -> str:
    """The text under the keys; "" where there is none."""
    found = at(value, *keys)
    return found if isinstance(found, str) else ""


def number_at(value: object, *keys: str) -> int:
    """The whole number under the keys; 0 where there is none."""
    found = at(value, *keys)
    return found if isinstance(found, int) and not isinstance(found, bool) else 0


def items_at(value: object, *keys: str) -> list[object]:
    """The list under the keys; empty where there is none."""
    found = at(value, *keys)
    return found if isinstance(found, list) else []


def number(text: Optional[str]) -> int:
    """A process id or attempt in a file or name; 0 where there is none."""
    digits = (text or "").strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else 0  # noqa: PLR2004  (int32)


def netns_path(spec: object) -> Optional[str]:
    """Where an OCI runtime configuration pins the network namespace; None where it names no path."""
    for namespace in items_at(spec, "linux", "namespaces"):
        if text_at(namespace, "type") == "network":
            return text_at(namespace, "path") or None
    return None


def has_own_network(spec: object) -> bool:
    """Whether an OCI runtime configuration asks for a network namespace at all; without one, it is the node's."""
    return any(text_at(namespace, "type") == "network" for namespace in items_at(spec, "linux", "namespaces"))
