"""Who may approve changes of the lab's nodes: a key in the lab's folder, of which the nodes know the public half."""

from __future__ import annotations

import json
from pathlib import Path

import asyncssh

from deploy.lab.node import Node
from deploy.lab.plan import CLUSTER
from node_helper.changes.paths import Paths
from workers.changes import signing

_FOLDER, _KEY = "approver", "key"


def key(folder: Path) -> Path:
    """The private key of the lab in that folder; beside it is the public one."""
    return folder / _FOLDER / _KEY


def create(folder: Path) -> Path:
    """Make it."""
    path = key(folder)
    path.parent.mkdir(mode=0o700)
    made = asyncssh.generate_private_key("ssh-ed25519")
    path.touch(mode=0o600)
    path.write_bytes(made.export_private_key())
    path.with_suffix(".pub").write_bytes(made.export_public_key())
    return path


def allow(node: Node, folder: Path) -> None:
    """What `install.sh --changes` does on a node: who it is, and whose signatures count."""
    paths = Paths()
    node.write(paths.identity, json.dumps({"cluster": CLUSTER, "node": node.name}))
    node.write(paths.signers, signing.allowed(key(folder).with_suffix(".pub").read_text(encoding="ascii")))
    node.path(paths.state).mkdir(mode=0o700, parents=True, exist_ok=True)
