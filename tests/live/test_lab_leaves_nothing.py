"""Whatever ends a lab, and whenever, the machine is as it was before: a lab is told from others by its folder's name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.lab import packages

pytestmark = pytest.mark.live

PATIENCE = 20.0  # seconds; a lab is gone in one, but a busy machine may need longer


@dataclass(frozen=True)
class Machine:
    """What a lab could have changed."""

    links: frozenset[str]
    mounts: str
    rules: str
    sysctls: dict[str, str]

    @classmethod
    def look(cls) -> Machine:
        tools = packages.prepare(print)
        rules = subprocess.run(tools.argv(["nft", "list", "ruleset"]), capture_output=True, text=True, check=True)
        return cls(
            links=frozenset(link.name for link in Path("/sys/class/net").iterdir()),
            mounts=Path("/proc/self/mountinfo").read_text(),
            rules=rules.stdout,
            sysctls=dict(_sysctls()),
        )


def _sysctls() -> Iterator[tuple[str, str]]:
    for folder in ("net/ipv4", "net/ipv6", "net/core", "net/netfilter", "vm"):
        for path in Path("/proc/sys", folder).rglob("*"):
            if path.is_file() and os.access(path, os.R_OK) and path.name not in ("nf_conntrack_count", "stat_refresh"):
                try:
                    yield str(path), path.read_text()
                except OSError:
                    continue  # some can only be written


class Owner:
    """A lab's owner as `lab up` starts it."""

    def __init__(self, name: str) -> None:
        said, pipe = os.pipe()
        argv = [sys.executable, "-m", "deploy.lab.owner", name, str(pipe)]
        self.process = subprocess.Popen(argv, pass_fds=[pipe], stdin=subprocess.DEVNULL)
        os.close(pipe)
        self.progress = os.fdopen(said)

    def lines(self, count: int) -> None:
        """Wait until it has said so many lines, or is up."""
        for _, _ in zip(range(count), self.progress, strict=False):
            pass


@pytest.fixture
def before() -> Machine:
    return Machine.look()


def _folders() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("ncl-*"))


def _cgroups(folder: Path) -> list[Path]:
    return [path for path in Path("/sys/fs/cgroup").rglob(f"{folder.name}-*") if path.is_dir()]


def _processes(folder: Path) -> list[int]:
    """Those in a cgroup of the lab, and those whose command line names its folder."""
    return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/cgroup") if _is_of(path.parent, folder.name)]


def _is_of(process: Path, name: str) -> bool:
    try:
        return any(name in (process / file).read_text(errors="replace") for file in ("cgroup", "cmdline"))
    except OSError:
        return False  # it ended meanwhile


def _eventually(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.1)
    return holds()


def _children(pid: int) -> set[int]:
    direct = {int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
    return direct.union(*(_children(child) for child in direct))


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("lines", [1, 4, 1000], ids=["at-the-first-node", "between-pods", "when-up"])
def test_nothing_stays_behind(before: Machine, ending: signal.Signals, lines: int) -> None:
    others = _folders()
    owner = Owner(f"ends-{os.getpid()}")
    try:
        owner.lines(lines)
        (folder,) = _folders() - others
        started = _children(owner.process.pid)
        assert started
        assert _cgroups(folder)
    finally:
        owner.process.send_signal(ending)
        owner.process.wait(PATIENCE)
        owner.progress.close()
    assert _eventually(lambda: not _processes(folder))
    assert _eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in started))
    assert _eventually(lambda: not _cgroups(folder))
    assert _eventually(lambda: not folder.exists())
    assert Machine.look() == before
