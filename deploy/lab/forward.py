"""A TCP port in one network namespace that leads to a TCP service in another."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from deploy.lab.errors import LabError

_SCRIPT = Path(__file__).with_name("forwarder.py")


@dataclass(frozen=True)
class Place:
    """An address as a process sees it; ``pid`` None is the machine itself."""

    pid: int | None
    host: str
    port: int

    @property
    def words(self) -> tuple[str, str, str]:
        """As the forwarder's arguments have it."""
        return str(self.pid or "self"), self.host, str(self.port)


class Forward:
    """A running forwarder; it ends when it is closed, or when the process that made it dies."""

    def __init__(self, listen: Place, connect: Place) -> None:
        """Lead from one place to the other; port 0 of ``listen`` takes one that is free."""
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_SCRIPT), *listen.words, *connect.words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )
        said = self._process.stdout.readline() if self._process.stdout is not None else b""
        if not said:
            self.close()
            raise LabError(f"nothing can be forwarded from {listen} to {connect}")
        self.port = int(said)

    def close(self) -> None:
        """End it, and every connection through it."""
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._process.wait()
