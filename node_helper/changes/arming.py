"""What it takes for a node to put its setting back by itself: a folder with what and how, and somebody to start it.

systemd starts it where it runs, also after a restart; elsewhere a process of its own waits, which a restart ends. I/O.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import shutil
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Iterator, Literal

import node_helper
from node_helper import codec
from node_helper.changes import apart, disk, systemd
from node_helper.changes.paths import Paths, undo_name
from node_helper.changes.plan import Setting

_CODE = ("__init__.py", "codec.py", "wire.py", "changes")
_MAIN = """import os, sys
from node_helper.changes.undoing import main

sys.exit(main(os.path.dirname(sys.argv[0])))
"""
_RECORD, _ALIVE, PROGRAM = "armed.json", "alive", "undo.pyz"
_START_SECONDS = 20.0
READY = b"waiting"
"""What the process that waits says once it does."""


class NotArmed(Exception):
    """The node cannot be made to put it back by itself; the reason in words."""


@dataclass(frozen=True)
class Armed:
    """What is put back, and when: `at` by this node's clock (systemd), `boot_at` in seconds since it started (a process).

    `digest`, `nonce` and `approval` are those of the change that is to be undone.
    """

    nonce: str
    approval: str
    digest: str
    before: Setting
    after: Setting
    at: float
    boot_at: float
    by: Literal["systemd", "process"]
    paths: Paths


def boottime() -> float:
    """Seconds since this node started, those in which it slept included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def arm(armed: Armed) -> None:
    """Only under the node's lock. Raises `NotArmed`, and nothing of it is left."""
    folder = armed.paths.undo(armed.nonce)
    try:
        os.mkdir(folder, 0o700)
        _fill(folder, armed)
        if armed.by == "systemd":
            systemd.start(armed.paths, undo_name(armed.nonce), os.path.join(folder, PROGRAM), armed.at)
        else:
            _wait_in_a_process(folder)
    except OSError as e:
        with suppress(OSError, ValueError):
            disarm(armed.paths, armed.nonce)
        raise NotArmed(str(e)) from e


def disarm(paths: Paths, nonce: str) -> None:
    """Nothing where it is not armed. A waiting process sees that its folder is gone, and ends. Raises `OSError`."""
    folder = paths.undo(nonce)
    if not os.path.exists(folder):
        return
    if systemd.knows(paths, undo_name(nonce)):
        systemd.stop(paths, undo_name(nonce))
    shutil.rmtree(folder)
    disk.sync_folder(paths.state)


def read(folder: str) -> Armed:
    """What was armed. Raises `OSError`, `ValueError`."""
    with open(os.path.join(folder, _RECORD)) as file:
        return codec.decode(Armed, json.load(file))


def stands(paths: Paths, nonce: str) -> bool:
    """Whether it will still be put back. Looks only."""
    return _is_held(paths.undo(nonce)) or (os.path.exists(paths.undo(nonce)) and systemd.waits(paths, undo_name(nonce)))


def bury(paths: Paths) -> None:
    """Take away undos whose process is no more: nobody would carry them out. Only under the node's lock. Raises `OSError`."""
    for name in os.listdir(paths.state):
        folder = os.path.join(paths.state, name)
        if name.startswith(undo_name("")) and not systemd.knows(paths, name) and not _is_held(folder):
            shutil.rmtree(folder)


def hold(folder: str) -> int:
    """Say that this process is the one that waits: for as long as the answer is open. Raises `OSError`."""
    alive = os.open(os.path.join(folder, _ALIVE), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    fcntl.flock(alive, fcntl.LOCK_EX)
    return alive


def _is_held(folder: str) -> bool:
    try:
        with open(os.path.join(folder, _ALIVE)) as alive:
            fcntl.flock(alive, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True  # by the process that waits
    except OSError:
        return False
    return False


def _fill(folder: str, armed: Armed) -> None:
    disk.put(os.path.join(folder, PROGRAM), _packed(), 0o600)
    disk.put(os.path.join(folder, _RECORD), json.dumps(codec.encode(armed)), 0o600)
    disk.sync_folder(armed.paths.state)


def _packed() -> bytes:
    """The code as a zip that Python runs: what is installed may be replaced or removed before the time comes, this is not."""
    import zipfile  # here, because it is slow to import and few changes are for a time

    source, packed = os.path.dirname(node_helper.__file__), io.BytesIO()
    with zipfile.ZipFile(packed, "w", strict_timestamps=False) as file:
        file.writestr("__main__.py", _MAIN)
        for path in _sources(source):
            file.write(path, os.path.join("node_helper", os.path.relpath(path, source)))
    return packed.getvalue()


def _sources(source: str) -> Iterator[str]:
    for name in _CODE:
        path = os.path.join(source, name)
        if os.path.isdir(path):
            yield from (os.path.join(path, one) for one in sorted(os.listdir(path)) if one.endswith(".py"))
        else:
            yield path


def _wait_in_a_process(folder: str) -> None:
    program = [sys.executable, "-ISB", os.path.join(folder, PROGRAM)]
    why = apart.start(program, READY, _START_SECONDS)
    if why:
        raise OSError(f"the process that should put it back did not start: {why}")
