"""The node's own tools, started as argv lists, with limits of time and output. None may change the node by being asked."""

from __future__ import annotations

import os
import selectors
import shutil
import subprocess
import time
from pathlib import Path
from typing import IO, Sequence

from node_helper.linux import files
from node_helper.protocol import CannotLook
from node_helper.records import Completed
from node_helper.stop import Stop

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
_SECONDS = 10.0
LIMIT = 8 << 20  # bytes of each stream
_LIMIT_OF_LISTS = 1 << 20
_CHUNK = 1 << 16
_SOCKET_MODULES = ("inet_diag", "tcp_diag", "udp_diag")


def run(argv: tuple[str, ...], stop: Stop) -> Completed:
    """What a tool prints when it runs in the calling thread's namespace. ``missing``; ``timeout``: then it was killed."""
    path = shutil.which(argv[0], path=_PATH)
    if path is None:
        raise CannotLook(f"the node has no {argv[0]}", kind="missing", fix=f"install the package that brings {argv[0]}")
    child = subprocess.Popen(
        [path, *argv[1:]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environment_here(),
        cwd="/",
    )
    with child:
        try:
            out, err = _drain(child, argv[0], stop)
            status = child.wait(timeout=_SECONDS)
        finally:
            child.kill()  # does nothing to one that has ended
    return Completed(status, _text(out), _text(err), cut=len(out) > LIMIT)


def _drain(child: subprocess.Popen[bytes], name: str, stop: Stop) -> tuple[bytearray, bytearray]:
    """Everything printed; beyond the limit it is read and forgotten, so that the tool can end by itself."""
    kept = {stream: bytearray() for stream in (child.stdout, child.stderr) if stream is not None}
    ends = time.monotonic() + _SECONDS
    with selectors.DefaultSelector() as waiting:
        for stream in kept:
            waiting.register(stream, selectors.EVENT_READ)
        waiting.register(stop, selectors.EVENT_READ)
        while len(waiting.get_map()) > 1:
            ready = waiting.select(max(0.0, min(ends - time.monotonic(), stop.left)))
            stop.check()
            if not ready:
                raise CannotLook(f"{name} took more than {_SECONDS:g} s", kind="timeout")
            for key, _ in ready:
                _take(waiting, key.fileobj, kept)
    out, err = kept.values()
    return out, err


def _take(waiting: selectors.BaseSelector, stream: object, kept: dict[IO[bytes], bytearray]) -> None:
    for mine, text in kept.items():
        if mine is stream:
            data = os.read(mine.fileno(), _CHUNK)
            if not data:
                waiting.unregister(mine)
            elif len(text) <= LIMIT:
                text.extend(data)


def _environment_here() -> dict[str, str]:
    return environment(_lines("/proc/modules"), _lines(f"/lib/modules/{os.uname().release}/modules.builtin"))


def _text(data: bytearray) -> str:
    return bytes(data[:LIMIT]).decode(errors="backslashreplace")


def environment(loaded: Sequence[str], built_in: Sequence[str]) -> dict[str, str]:
    """A bare environment, by the lines of /proc/modules and modules.builtin.

    `ss` asks sock_diag, which loads modules, unless PROC_ROOT tells it to read the tables as it once did (iproute2, misc/ss.c).
    """
    bare = {"PATH": _PATH, "LC_ALL": "C"}
    known = {line.split(" ", 1)[0] for line in loaded} | {Path(line).name.split(".", 1)[0] for line in built_in}
    return bare if all(module in known for module in _SOCKET_MODULES) else {**bare, "PROC_ROOT": "/proc"}


def _lines(path: str) -> list[str]:
    return (files.read(path, _LIMIT_OF_LISTS) or "").splitlines()
