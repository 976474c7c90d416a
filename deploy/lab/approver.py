"""Who may approve changes of the lab's nodes: a key in the lab's folder, of which the nodes know the public half."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import asyncssh

from deploy.lab.node import Node
from deploy.lab.packages import Tools
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


def settings(folder: Path, tools: Tools) -> Mapping[str, str]:
    """What the approver needs of the environment: where the key is and, on a machine without it, the lab's ssh-keygen."""
    named = {"NETCHECK_APPROVER_KEY": str(key(folder))}
    if shutil.which("ssh-keygen") is not None:
        return named
    found = keygen(key(folder).parent, tools)
    return {**named, "PATH": f"{found.parent}:{os.environ['PATH']}"}


def keygen(folder: Path, tools: Tools) -> Path:
    """The lab's ssh-keygen as a program that runs on this machine, made in a folder."""
    libraries = ":".join(map(str, (tools.usr / "lib").glob("*-linux-gnu*")))
    program = folder / "ssh-keygen"
    program.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH={libraries} exec {tools.usr}/bin/ssh-keygen "$@"\n', encoding="ascii")
    program.chmod(0o755)
    return program


def allow(node: Node, folder: Path) -> None:
    """What `install.sh --changes` does on a node: who it is, and whose signatures count."""
    paths = Paths()
    node.write(paths.identity, json.dumps({"cluster": CLUSTER, "node": node.name}))
    node.write(paths.signers, signing.allowed(key(folder).with_suffix(".pub").read_text(encoding="ascii")))
    node.path(paths.state).mkdir(mode=0o700, parents=True, exist_ok=True)
