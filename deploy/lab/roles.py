"""Bot and worker as processes of their own, started with the lab's settings and ending with whoever started them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from deploy.lab.errors import LabError

_START_S, _END_S, _POLL_S = 20.0, 25.0, 0.05
_LOG_TAIL = 3000
_URL = re.compile(rb"http://[0-9.]+:[0-9]+")


class Role:
    """`netcheck-bot NAME` running; its output is in `log`. It is killed when the thread that made it ends."""

    def __init__(self, name: str, settings: Mapping[str, str], folder: Path, number: int = 1) -> None:
        """Starts it; `await_ready` waits."""
        self.name = name
        self.log = folder / f"{name}-{number}.log"
        self._after = self.log.stat().st_size if self.log.exists() else 0
        argv = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-P", "-m", "bot", name]
        listen = {f"NETCHECK_{name.upper()}_LISTEN": "127.0.0.1:0"}
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", **settings, **listen}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(argv, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @property
    def url(self) -> str | None:
        """Where its health and metrics are, once it said so."""
        found = _URL.search(self.log.read_bytes()[self._after :])
        return found[0].decode() if found else None

    def await_ready(self) -> None:
        """Returns when it can do its work. Raises :class:`LabError` with the end of its log."""
        end = time.monotonic() + _START_S
        while time.monotonic() < end and self._process.poll() is None:
            if self.url and _ready(f"{self.url}/readyz"):
                return
            time.sleep(_POLL_S)
        raise LabError(f"the {self.name} is not ready\n{self.log.read_text(errors='replace')[-_LOG_TAIL:]}")

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """SIGTERM, and SIGKILL where that does not end it in time."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self.kill()


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310  (a loopback URL that the process itself printed)
            return bool(answer.status == 200)  # noqa: PLR2004
    except (urllib.error.URLError, OSError):
        return False
