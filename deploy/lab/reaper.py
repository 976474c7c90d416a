"""A process that outlives the lab's owner by a moment, to remove what no namespace takes along: cgroups and folders.

It reads what to remove from a pipe whose other end only the owner holds: the end of the file means that the owner
closed the lab, or died.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

from deploy.lab.errors import LabError

_SCRIPT = Path(__file__).with_name("reap.py")
_SECONDS = 30.0  # more than the script's own patience


class Reaper:
    """The owner's end: tell it what will exist *before* making it, and close it last."""

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()
        self._told: list[dict[str, list[str]]] = []
        self.process = _started()

    def cgroups(self, folders: Iterable[Path]) -> None:
        """Remove these cgroup directories at the end, and first whatever still runs in them."""
        self._tell({"cgroups": [str(f) for f in folders]})

    def folder(self, folder: Path) -> None:
        """Remove this folder and all in it at the end."""
        self._tell({"folders": [str(folder)]})

    def close(self) -> None:
        """Remove everything now; return when it is gone."""
        if _finish(self.process) < 0:  # somebody killed it: another one does its work
            self._again()
            _finish(self.process)

    def _tell(self, what: dict[str, list[str]]) -> None:
        with self._one_at_a_time:
            self._told.append(what)
            try:
                _write(self.process, [what])
            except BrokenPipeError:
                _finish(self.process)
                self._again()

    def _again(self) -> None:
        self.process = _started()
        _write(self.process, self._told)


def _started() -> subprocess.Popen[str]:
    argv = [sys.executable, "-I", "-S", str(_SCRIPT)]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, start_new_session=True, cwd="/", text=True)


def _write(process: subprocess.Popen[str], told: Iterable[dict[str, list[str]]]) -> None:
    if process.stdin is None:
        raise LabError("the reaper has no pipe")
    process.stdin.write("".join(json.dumps(what) + "\n" for what in told))
    process.stdin.flush()


def _finish(process: subprocess.Popen[str]) -> int:
    with contextlib.suppress(BrokenPipeError):
        if process.stdin is not None:
            process.stdin.close()
    return process.wait(timeout=_SECONDS)
