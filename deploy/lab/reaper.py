"""A process that outlives the lab's owner by a moment, to remove what no namespace takes along: cgroups and folders.

It reads what to remove from a pipe whose other end only the owner holds: the end of the file means that the owner
closed the lab, or died.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

from deploy.lab.errors import LabError

_SCRIPT = Path(__file__).with_name("reap.py")
_SECONDS = 20.0


class Reaper:
    """The owner's end: tell it what will exist *before* making it, and close it last."""

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_SCRIPT)],
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
        self._process.wait(timeout=_SECONDS)

    def _tell(self, what: dict[str, list[str]]) -> None:
        if self._process.stdin is None:
            raise LabError("the reaper has no pipe")
        with self._one_at_a_time:
            self._process.stdin.write(json.dumps(what) + "\n")
            self._process.stdin.flush()
