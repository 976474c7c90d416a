"""A process that outlives the lab's owner by a moment, to remove what no namespace takes along: cgroups and folders.

It is started with this file as a script, so it uses the standard library only. It reads what to remove from a pipe
whose other end only the owner holds: the end of the file means that the owner closed the lab, or died.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

_PATIENCE = 10.0  # seconds until what cannot be removed is left and said
_GRACE = 1.0  # seconds in which processes of a cgroup end by themselves
_PAUSE = 0.02


class Reaper:
    """The owner's end: tell it what will exist *before* making it, and close it last."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            start_new_session=True,
            cwd="/",
            text=True,
        )

    def cgroups(self, folders: Iterable[Path]) -> None:
        """Remove these cgroup directories at the end, and first whatever still runs in them."""
        self._tell({"cgroups": [str(f) for f in folders]})

    def folder(self, folder: Path) -> None:
        """Remove this folder and all in it at the end."""
        self._tell({"folders": [str(folder)]})

    def close(self) -> None:
        """Remove everything now; return when it is gone."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(timeout=2 * _PATIENCE)

    def _tell(self, what: dict[str, list[str]]) -> None:
        if self._process.stdin is None:
            raise RuntimeError("the reaper has no pipe")
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()


def _main() -> int:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    told = [json.loads(line) for line in sys.stdin]
    left = [Path(p) for item in told for p in item.get("cgroups", ())]
    deadline = time.monotonic() + _PATIENCE
    harsh = time.monotonic() + _GRACE
    while (left := [p for p in left if not _removed(p)]) and time.monotonic() < deadline:
        if time.monotonic() > harsh:
            _kill(left)
        time.sleep(_PAUSE)
    for item in told:
        for folder in item.get("folders", ()):
            shutil.rmtree(folder, ignore_errors=True)
    return _said(left)


def _removed(folder: Path) -> bool:
    for path, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):  # still busy: the next round tries again
            Path(path).rmdir()
    return not folder.exists()


def _kill(folders: Iterable[Path]) -> None:
    for folder in folders:
        for procs in folder.rglob("cgroup.procs"):
            with contextlib.suppress(OSError):  # gone meanwhile
                for pid in procs.read_text().split():
                    os.kill(int(pid), signal.SIGKILL)


def _said(left: Iterable[Path]) -> int:
    for folder in left:
        print(f"lab: {folder} is still in use and stays behind", file=sys.stderr)  # noqa: T201 - a script's only voice
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(_main())
