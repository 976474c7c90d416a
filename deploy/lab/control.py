"""How the lab's owner is spoken to: an abstract unix socket named after the lab, which dies with the owner.

So there is no file that could be stale: whoever can connect talks to a living owner, and two owners of one name cannot
be. Only the user who started the lab is answered. One JSON line each way: ``{"do": "status"}`` or ``{"do": "down"}``.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Callable, Mapping
from typing import Any

from deploy.lab.errors import LabError

_CREDENTIALS = struct.Struct("3i")  # struct ucred of SO_PEERCRED: pid, uid, gid (man 7 unix)
_LINE = 1 << 20
_SECONDS = 120.0  # a first start fetches packages
Answer = Mapping[str, Any]


def listen(name: str) -> socket.socket | None:
    """The owner's socket, or None where this lab has an owner."""
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        server.bind(_address(name))
    except OSError:
        server.close()
        return None
    server.listen()
    return server


def serve(server: socket.socket, answer: Callable[[str], Answer]) -> None:
    """Answer one caller after the other, until ``answer`` has been asked to do ``down``."""
    done = False
    while not done:
        connection, _ = server.accept()
        with connection:
            if _is_ours(connection):
                done = _answered(connection, answer)


def ask(name: str, what: str) -> Answer | None:
    """What the owner answers to ``status`` or ``down``; None where no such lab is up."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(_SECONDS)
        try:
            client.connect(_address(name))
        except ConnectionRefusedError:
            return None
        client.sendall(json.dumps({"do": what}).encode() + b"\n")
        with client.makefile("rb") as stream:
            line = stream.readline(_LINE)
    if not line:
        raise LabError(f"the lab {name} ended before it answered; start it with: netcheck-bot lab up")
    answer: Answer = json.loads(line)
    return answer


def _address(name: str) -> str:
    return f"\0netcheck-lab-{name}"


def _is_ours(connection: socket.socket) -> bool:
    sent = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(sent)[1]) == os.geteuid()


def _answered(connection: socket.socket, answer: Callable[[str], Answer]) -> bool:
    """Whether the lab is down now."""
    connection.settimeout(_SECONDS)
    try:
        with connection.makefile("rb") as stream:
            what = json.loads(stream.readline(_LINE))["do"]
        connection.sendall(json.dumps(answer(what)).encode() + b"\n")
    except (OSError, ValueError, KeyError, TypeError):
        return False  # whoever asked is gone, or asked for nothing that we know
    return bool(what == "down")
