"""Whether this node was installed to be changed: who it is, and whose signatures it takes. Looked at anew for each use."""

from __future__ import annotations

import os
from dataclasses import dataclass

from node_helper import codec, wire
from node_helper.changes import sound
from node_helper.changes.paths import Paths

_MOST_BYTES = 1 << 16


@dataclass(frozen=True)
class Identity:
    """The names under which plans speak of this node."""

    cluster: str
    node: str


class NotOffered(Exception):
    """Nothing may be changed here; the reason in words."""


def why_not(paths: Paths, *, installed: bool) -> str:
    """Why no change is offered; "" where changes are."""
    if not installed:
        return "this helper was pushed for trying out: only an installed one may change anything"
    try:
        identity(paths)
    except NotOffered as e:
        return str(e)
    return ""


def identity(paths: Paths) -> Identity:
    """Who this node is. Raises `NotOffered` unless everything that a change needs is there and sound."""
    if os.geteuid() != paths.owner:
        raise NotOffered("this helper does not run as root")
    if not os.path.lexists(paths.identity):
        raise NotOffered("this node was installed to be looked at only (deploy/node/README.md says how to allow changes)")
    for path in (paths.identity, paths.signers, paths.state):
        wrong = sound.problem(path, paths)
        if wrong:
            raise NotOffered(wrong)
    if os.lstat(paths.state).st_mode & 0o077:
        raise NotOffered(f"{paths.state} is open to others than root")
    if not os.access(paths.keygen, os.X_OK):
        raise NotOffered(f"this node has no {paths.keygen}, which verifies signatures")
    try:
        return codec.decode(Identity, wire.value(sound.text(paths.identity, _MOST_BYTES).encode()))
    except (OSError, ValueError) as e:
        raise NotOffered(f"{paths.identity} cannot be read: {e}") from e


def machine_id(paths: Paths) -> str:
    """What machine-id(5) says; "" where it says nothing."""
    try:
        return sound.text(paths.machine_id, _MOST_BYTES).strip()
    except (OSError, ValueError):
        return ""
