"""User-mode Linux: a whole kernel as one process that needs no rights, up in about two seconds, with one CPU.

It has IPVS with every scheduler, conntrack, legacy iptables, ipset, veth, bridges and namespaces; its nftables knows
neither ip nor inet. One guest runs one command and ends with it.
"""

from __future__ import annotations

import contextlib
import os
import random
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.lab import packages
from deploy.lab.errors import LabError
from deploy.lab.packages import Packages, Say, Tools

PACKAGES = Packages(
    tree="uml",
    names=("user-mode-linux", "kmod", "ipvsadm"),  # the kernel, what loads its modules, and the reference tool for IPVS
    needed=("/usr/bin/linux.uml", "/usr/lib/uml/modules", "/usr/bin/kmod", "/usr/sbin/ipvsadm"),
)
_INIT = Path(__file__).with_name("uml-init.sh")
_REPOSITORY = Path(__file__).parents[3]
_MEMORY = "512M"
_SECONDS = 150.0
_GRACE = 5.0  # how much later than us the second guard strikes
_TAIL = 3000  # characters of the console that an error shows


@dataclass(frozen=True)
class Completed:
    """How a command ended in a guest: its exit status, and all that it wrote."""

    status: int
    out: str
    err: str


@dataclass(frozen=True)
class Guest:
    """What a guest is made of; each :meth:`run` is a new kernel. ``modules`` are loaded before the command starts."""

    kernel: Tools
    lab: Tools
    modules: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def python(self, source: str, *arguments: str, writable: Path | None = None, seconds: float = _SECONDS) -> Completed:
        """Run Python source with the interpreter and the packages that run this, in the project's folder."""
        return self.run([sys.executable, "-c", source, *arguments], writable=writable, seconds=seconds)

    def run(self, argv: Sequence[str], *, writable: Path | None = None, seconds: float = _SECONDS) -> Completed:
        """Run a command as root in a new kernel; only what it writes to the folder ``writable`` stays.

        Raises :class:`LabError` when it did not end in time (everything of it is killed) or the kernel did not start.
        """
        with tempfile.TemporaryDirectory(prefix="ncg-") as folder:
            share = Path(folder) / "share"
            share.mkdir()
            self._write(share, argv, writable or share)
            console, ended = _boot(self.kernel, Path(folder), share, seconds)
            status = _text(share / "status")
            if not ended or not status:
                why = f"did not end in {seconds:g} s" if not ended else "ended before its command did"
                said = console.decode(errors="replace") + _text(share / "err")
                raise LabError(f"a guest with {argv[0]} {why}; it wrote\n{said[-_TAIL:]}")
            return Completed(int(status), _text(share / "out"), _text(share / "err"))

    def _write(self, share: Path, argv: Sequence[str], writable: Path) -> None:
        """The guest's first program, and what it is to do: files, because they need no escaping for a kernel's command line."""
        said = {
            "LAYERS": f"{self.kernel.usr}:{self.lab.usr}:/usr",
            "WRITABLE": str(writable),
            "MODULES": " ".join(self.modules),
            "FOLDER": str(_REPOSITORY),
        }
        exports = {"HOME": "/root", "LANG": "C.UTF-8", **self.environment}
        lines = [f"{name}={shlex.quote(value)}" for name, value in said.items()]
        lines += [f"export {name}={shlex.quote(value)}" for name, value in exports.items()]
        (share / "plan").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (share / "command").write_text(f"exec {shlex.join(argv)}\n", encoding="utf-8")
        (share / "init").write_bytes(_INIT.read_bytes())
        (share / "init").chmod(0o755)


def prepare(say: Say, modules: Sequence[str] = ()) -> Guest:
    """A guest, its packages fetched only if they are not there yet. Raises :class:`LabError`."""
    return Guest(packages.prepare(say, PACKAGES), packages.prepare(say), tuple(modules))


def _boot(tools: Tools, folder: Path, share: Path, seconds: float) -> tuple[bytes, bool]:
    """Run the kernel until it powers off: its console, and False when it had to be killed."""
    argv = [
        *("timeout", "--signal=KILL", f"{seconds + _GRACE:g}"),  # ends it even where we were killed
        # The kernel and the processes that it traces take turns: on one CPU they do so in half the time.
        *("taskset", "--cpu-list", str(random.choice(sorted(os.sched_getaffinity(0))))),  # noqa: S311  (spreads load)
        *("unshare", "--pid", "--fork", "--kill-child=KILL"),  # the guest makes a session of its own; all of it ends with unshare
        str(tools.file("/usr/bin/linux.uml")),
        *(f"mem={_MEMORY}", "rootfstype=hostfs", "rootflags=/", "ro", "quiet", "con=null", "con0=null,fd:1", "ssl=null"),
        *(f"init={share}/init", f"SHARE={share}", f"uml_dir={folder}", "umid=uml"),
    ]
    guest = subprocess.Popen(
        argv,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "TMPDIR": _memory_folder()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # timeout and unshare are one group, to be ended as one
    )
    try:
        return guest.communicate(timeout=seconds)[0], True
    except subprocess.TimeoutExpired:
        return b"", False
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(guest.pid, signal.SIGKILL)
        guest.communicate()  # every process of the guest holds the pipe's other end: its end is theirs


def _memory_folder() -> str:
    """Where the guest's memory is kept, in a file without a name: in memory where there is such a place."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else tempfile.gettempdir()  # noqa: S108  (the kernel makes the file safely)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
