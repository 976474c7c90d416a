"""A lab node with a kernel of its own: its sysctls can be written, its kernel log is its own, and it has IPVS.

Outside it is a node as any other, with its files and its plug into the fabric; inside that runs user-mode Linux, which takes
the packets from the plug and the files as its root. It runs no pods and has no nftables.
"""

from __future__ import annotations

import itertools
import shlex
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from deploy.lab import packages
from deploy.lab.errors import LabError
from deploy.lab.guest import uml
from deploy.lab.node import Node, Site
from deploy.lab.packages import Tools

_INIT = Path(__file__).with_name("node-init.sh")
_JOBS = "/var/lab-jobs"
_MEMORY = "512M"
_START_SECONDS = 60.0
_RUN_SECONDS = 120.0
_POLL_SECONDS = 0.02
_TAIL = 3000
_OWN = ("/proc", "/sys", "/dev", "/run")  # of the kernel inside; what the machine sees there is not the node's


class GuestNode(Node):
    """A running node whose processes are in another kernel. ``pid`` is still the PID 1 of its shell outside."""

    def __init__(self, name: str, site: Site) -> None:
        """Start it and wait until its kernel takes commands. Raises :class:`LabError`."""
        kernel = packages.prepare(lambda _: None, uml.PACKAGES)
        super().__init__(name, replace(site, tools=site.tools.with_more(kernel)))
        self._kernel: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self._plugged = False
        try:
            self._kernel = self._booted(kernel)
            self._await(f"{_JOBS}/up", _START_SECONDS, "its kernel")
        except BaseException:
            self.close()
            raise

    def path(self, path: str) -> Path:
        """A file of the node as the machine sees it. Raises :class:`LabError` for what only the kernel inside has."""
        if any(path == own or path.startswith(f"{own}/") for own in _OWN):
            raise LabError(f"{self.name}: {path} is its own kernel's; run a command there instead")
        return super().path(path)

    def run(
        self, argv: Sequence[str], *, stdin: str = "", check: bool = True, namespaces: Sequence[str] = ("--all",)
    ) -> subprocess.CompletedProcess[str]:
        """As a node's; a single namespace (the wire's own business) is that of the shell outside."""
        if tuple(namespaces) != ("--all",):
            return super().run(argv, stdin=stdin, check=check, namespaces=namespaces)
        job = self._begin(argv, stdin)
        status = int(self._await(f"{job}.status", _RUN_SECONDS, " ".join(argv)))
        done = subprocess.CompletedProcess(list(argv), status, self._said(f"{job}.out"), self._said(f"{job}.err"))
        if check and status != 0:
            raise LabError(f"{self.name}: {' '.join(argv)} ended with {status}\n{(done.stdout + done.stderr).strip()}")
        return done

    def ip(self, *commands: str) -> None:
        """As a node's. Before the first, the kernel inside gets the fabric's plug, if there is one by then."""
        if not self._plugged and "eth0" in super().run(["ls", "/sys/class/net"]).stdout.split():
            self._plug()
        super().ip(*commands)

    def sysctl(self, values: Mapping[str, int | str]) -> None:
        """Set any sysctl: all of them are its own."""
        for key, value in values.items():
            self.run(["sysctl", "-q", "-w", f"{key}={value}"])

    def daemon(self, argv: Sequence[str], log: str, ready: Callable[[], bool], *, seconds: float = 30.0) -> Callable[[], None]:
        """As a node's; what it writes is in the file ``log`` as soon as it is written."""
        job = self._begin(["sh", "-c", f'echo $$ >{_JOBS}/$0.pid; exec "$@" 2>&1', log, *argv], "")
        (self.folder / log).unlink(missing_ok=True)
        (self.folder / log).symlink_to(super().path(f"{job}.out"))
        deadline = time.monotonic() + seconds
        while not ready():
            if super().path(f"{job}.status").exists() or time.monotonic() > deadline:
                raise LabError(f"{self.name}: {argv[0]} did not start\n{self.log(log)}")
            time.sleep(_POLL_SECONDS)
        return lambda: self._kill(log)

    def close(self) -> None:
        """End its kernel and the shell around it."""
        super().close()
        if self._kernel is not None:
            self._kernel.wait()
            if self._kernel.stdin is not None:
                self._kernel.stdin.close()

    def _kill(self, log: str) -> None:
        self.run(["sh", "-c", f"kill $(cat {_JOBS}/{log}.pid)"])

    def _plug(self) -> None:
        """The wire's end outside only passes frames on: it has no address, and takes those for others."""
        outside = ("ip", "link", "set", "eth0", "up", "promisc", "on")
        for argv in (
            ("sysctl", "-q", "-w", "net.ipv6.conf.eth0.disable_ipv6=1"),
            outside,
            ("ethtool", "-K", "eth0", "tx", "off"),
        ):
            super().run(argv, namespaces=("--net", "--mount"))
        self._plugged = True

    def _booted(self, kernel: Tools) -> subprocess.Popen[bytes]:
        folder = super().path(_JOBS)
        folder.mkdir(parents=True)
        (folder / "init").write_bytes(_INIT.read_bytes())
        (folder / "init").chmod(0o755)
        self._install_modules()
        argv = [
            *("env", f"LD_PRELOAD={_JOBS}/{uml.ptrace(kernel, folder).name}", "linux.uml"),
            *(f"mem={_MEMORY}", "rootfstype=hostfs", "rootflags=/", "rw", "quiet", f"init={_JOBS}/init", f"JOBS={_JOBS}"),
            *("vec0:transport=raw,ifname=eth0", "con=null", "con0=null,fd:1", "ssl=null", "ssl0=fd:0,null"),
            *("uml_dir=/tmp", "umid=uml"),
        ]
        with (self.folder / "console.log").open("wb") as console:
            return subprocess.Popen(
                self.argv(argv),
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "TMPDIR": "/dev/shm"},  # noqa: S108
                stdin=subprocess.PIPE,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd="/",
            )

    def _install_modules(self) -> None:
        modules = super().path("/usr/lib/modules")
        modules.mkdir(exist_ok=True)
        for release in super().path("/usr/lib/uml/modules").iterdir():
            (modules / release.name).symlink_to(f"/usr/lib/uml/modules/{release.name}")

    def _begin(self, argv: Sequence[str], stdin: str) -> str:
        """Have a command started inside; the answer is the path beside which its output comes."""
        job = f"{_JOBS}/{next(self._numbers)}"
        super().path(f"{job}.in").write_text(stdin, encoding="utf-8")
        super().path(f"{job}.out").touch()  # a daemon's log, from the start
        super().path(job).write_text(f"exec {shlex.join(argv)}\n", encoding="utf-8")
        if self._kernel is None or self._kernel.stdin is None:
            raise LabError(f"{self.name}: no line to its kernel")
        self._kernel.stdin.write(f"{Path(job).name}\n".encode())
        self._kernel.stdin.flush()
        return job

    def _await(self, path: str, seconds: float, what: str) -> str:
        file, deadline = super().path(path), time.monotonic() + seconds
        while not file.exists():
            if self._kernel is None or self._kernel.poll() is not None or time.monotonic() > deadline:
                raise LabError(f"{self.name}: {what} did not come to its end\n{self.log('console.log')}")
            time.sleep(_POLL_SECONDS)
        return file.read_text(encoding="ascii")

    def _said(self, path: str) -> str:
        return super().path(path).read_text(encoding="utf-8", errors="replace")
