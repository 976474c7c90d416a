"""A throw-away node: a process tree with namespaces, root file system, cgroups and tools of its own.

Sockets, network namespaces and configuration are at their standard paths inside, several nodes stand side by side,
and ending its PID 1 removes every process, mount, interface and rule of it. The node ends by itself when the process
that made it dies, because that process holds the other end of its lifeline.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.lab import cgroups
from deploy.lab.errors import LabError
from deploy.lab.packages import Tools
from deploy.lab.reaper import Reaper

_INIT = Path(__file__).with_name("node-init.sh")
_NAMESPACES = ("--cgroup", "--net", "--mount", "--pid", "--uts", "--ipc")
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
_START_SECONDS = 20.0
_RUN_SECONDS = 60.0
_POLL_SECONDS = 0.02
_LOG_TAIL = 3000  # characters of a log that an error shows


@dataclass(frozen=True)
class Site:
    """What the nodes of one lab share: where they keep their files, their tools, and who removes what they leave."""

    folder: Path
    tools: Tools
    reaper: Reaper
    version: cgroups.Version


class Node:
    """A running node. ``pid`` is its PID 1 as the machine sees it."""

    def __init__(self, name: str, site: Site) -> None:
        """Start the node and wait until it is whole. Raises :class:`LabError` with the reason if it cannot be."""
        self.name = name
        self.folder = site.folder / name
        (self.folder / "root").mkdir(parents=True)
        self._daemons: list[subprocess.Popen[bytes]] = []
        self.cgroup = _cgroup(f"{site.folder.name}-{name}", site)
        self._unshare = self._started(site)
        try:
            self._await_ready()
            self.pid = _only_child(self._unshare.pid)
            self.cgroup.settle([self._unshare.pid, self.pid])
        except BaseException:
            self._unshare.kill()
            self._unshare.wait()
            raise

    def path(self, path: str) -> Path:
        """A path of the node as the machine sees it; good for unix sockets too."""
        return Path(f"/proc/{self.pid}/root{path}")

    def argv(self, argv: Sequence[str], *, namespaces: Sequence[str] = ("--all",)) -> list[str]:
        """``argv`` wrapped so that it runs in the node (or only in some of its ``namespaces``) and its cgroups."""
        return self.cgroup.joining_leaf(["nsenter", "--target", str(self.pid), *namespaces, "--", *argv])

    def run(
        self, argv: Sequence[str], *, stdin: str = "", check: bool = True, namespaces: Sequence[str] = ("--all",)
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end. With ``check``, a status other than 0 is a :class:`LabError` that shows what it wrote."""
        try:
            done = subprocess.run(
                self.argv(argv, namespaces=namespaces),
                env=_ENVIRONMENT,
                input=stdin,
                capture_output=True,
                text=True,
                check=False,
                cwd="/",
                timeout=_RUN_SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise LabError(f"{self.name}: {' '.join(argv)} did not end in {_RUN_SECONDS:g} s") from error
        if check and done.returncode != 0:
            said = (done.stdout + done.stderr).strip()
            raise LabError(f"{self.name}: {' '.join(argv)} ended with {done.returncode}\n{said}")
        return done

    def ip(self, *commands: str) -> None:
        """Run iproute2 commands in the node, all at once; the first that fails ends it."""
        self.run(["ip", "-batch", "-"], stdin="\n".join(commands) + "\n")

    def sysctl(self, values: Mapping[str, int | str]) -> None:
        """Set sysctls of the node's network namespace; all others are the machine's and refuse.

        Written inside the node: these files are those of the writer's namespace, whichever /proc they are reached by.
        """
        self.run(["sysctl", "--quiet", "--write", *(f"{key}={value}" for key, value in values.items())])

    def daemon(self, argv: Sequence[str], log: str, ready: Callable[[], bool], *, seconds: float = 30.0) -> Callable[[], None]:
        """Start a process that stays, and wait until ``ready()``; what it writes goes to ``log`` in the node's folder.

        It ends with the node, or when the answer is called.
        """
        process = self._spawned(self.argv(argv), log, _ENVIRONMENT)
        self._daemons.append(process)
        deadline = time.monotonic() + seconds
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise LabError(f"{self.name}: {argv[0]} did not start\n{self.log(log)}")
            time.sleep(_POLL_SECONDS)
        return partial(os.killpg, process.pid, signal.SIGTERM)  # nsenter, and what it started

    def log(self, name: str) -> str:
        """The end of what a daemon wrote."""
        return (self.folder / name).read_text(errors="replace")[-_LOG_TAIL:]

    def write(self, path: str, text: str, *, mode: int = 0o644) -> None:
        """Make the file ``path`` of the node; nobody whom ``mode`` keeps out ever could read it."""
        file = self.path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=mode)
        file.chmod(mode)
        file.write_text(text, encoding="utf-8")

    def close(self) -> None:
        """End the node and everything in it; the reaper removes its cgroups."""
        if self._unshare.poll() is None:  # PID 1's parent: while that is there, the number is not somebody else's
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        for process in (self._unshare, *self._daemons):
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()
            process.wait(timeout=_START_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _started(self, site: Site) -> subprocess.Popen[bytes]:
        environment = {
            "PATH": _ENVIRONMENT["PATH"],
            "ROOT": str(self.folder / "root"),
            "NAME": self.name,
            "LAYERS": site.tools.layers,
            "CACHE": str(site.tools.cache),
            "V1": " ".join(self.cgroup.options) if self.cgroup.version is cgroups.Version.V1 else "",
        }
        unshare = ["unshare", *_NAMESPACES, "--fork", "--kill-child=KILL", "--propagation", "private"]
        argv = self.cgroup.joining([*unshare, "sh", str(_INIT)])
        return self._spawned(argv, "init.log", environment, alive=True)

    def _spawned(
        self, argv: Sequence[str], log: str, environment: Mapping[str, str], *, alive: bool = False
    ) -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE if alive else subprocess.DEVNULL
        with (self.folder / log).open("wb") as stream:
            return subprocess.Popen(
                argv,
                env=environment,
                stdin=pipe,
                stdout=pipe if alive else stream,
                stderr=stream,
                start_new_session=True,  # Ctrl-C is the owner's business
                cwd="/",
            )

    def _await_ready(self) -> None:
        stdout = self._unshare.stdout
        if stdout is None:
            raise LabError(f"{self.name}: no pipe to the node")
        if not select.select([stdout], [], [], _START_SECONDS)[0] or stdout.readline() != b"ready\n":
            raise LabError(f"{self.name} did not start\n{self.log('init.log')}")


def _cgroup(name: str, site: Site) -> cgroups.Subtree:
    planned = cgroups.Subtree.plan(name, site.version)
    site.reaper.cgroups(planned.folders)
    planned.make()
    return planned


def _only_child(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text())
