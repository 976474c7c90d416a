"""Whatever ends a lab, and whenever, the machine is as it was before: a lab is told from others by its folder's name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.leftovers import PATIENCE, Machine, cgroups_of, children_of, eventually, processes_with

pytestmark = pytest.mark.live


class Owner:
    """A lab's owner as `lab up` starts it."""

    def __init__(self, name: str) -> None:
        said, pipe = os.pipe()
        self._own = Path(tempfile.mkdtemp(prefix="nl-"))  # other labs may come and go on this machine
        environment = {**os.environ, "TMPDIR": str(self._own)}
        argv = [sys.executable, "-m", "deploy.lab.owner", name, str(pipe)]
        self.process = subprocess.Popen(argv, env=environment, pass_fds=[pipe], stdin=subprocess.DEVNULL)
        os.close(pipe)
        self.progress = os.fdopen(said)

    def lines(self, count: int) -> None:
        """Wait until it has said so many lines, or is up."""
        for _, _ in zip(range(count), self.progress, strict=False):
            pass

    @property
    def folder(self) -> Path:
        """That of the lab."""
        (folder,) = self._own.glob("ncl-*")
        return folder

    def end(self, how: signal.Signals) -> None:
        """Returns when it has ended."""
        self.process.send_signal(how)
        self.process.wait(PATIENCE)
        self.progress.close()


@pytest.fixture
def before() -> Machine:
    return Machine.look()


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("lines", [1, 4, 1000], ids=["at-the-first-node", "between-pods", "when-up"])
def test_nothing_stays_behind(before: Machine, ending: signal.Signals, lines: int) -> None:
    owner = Owner(f"ends-{os.getpid()}")
    try:
        owner.lines(lines)
        folder = owner.folder
        started = children_of(owner.process.pid)
        assert started
        assert cgroups_of(folder.name)
    finally:
        owner.end(ending)
    assert eventually(lambda: not processes_with(folder.name))
    assert eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in started))
    assert eventually(lambda: not cgroups_of(folder.name))
    assert eventually(lambda: not folder.exists())
    folder.parent.rmdir()
    assert Machine.look() == before
