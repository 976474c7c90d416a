"""What a guest is started for: one command, given to its kernel in a shared folder, and how that ended."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from deploy.lab.errors import LabError
from deploy.lab.packages import Tools

_END = Path(__file__).with_name("errand.sh")
_REPOSITORY = Path(__file__).parents[3]
_SECONDS = 150.0
_GRACE = 5.0  # how much later than us the second guard strikes
_TAIL = 3000  # characters of the console that an error shows


@dataclass(frozen=True)
class Completed:
    """How a command ended in a guest: its exit status, and all that it wrote."""

    status: int
    out: str
    err: str


class Kernel(Protocol):
    """A way to have a kernel of one's own."""

    @property
    def layers(self) -> tuple[str, ...]:
        """What the guest sees as /usr, the uppermost first; "" where it sees the right one already."""

    def argv(self, folder: Path, share: Path, writable: Path) -> list[str]:
        """What boots it. It finds both shared folders as they are outside, and keeps files of its own in ``folder``."""

    def environment(self, folder: Path) -> Mapping[str, str]:
        """With what."""


@dataclass(frozen=True)
class Guest:
    """What a guest is made of; each :meth:`run` is a new kernel. ``modules`` are loaded before the command starts."""

    kernel: Kernel
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
            boot = self.kernel.argv(Path(folder), share, writable or share)
            console, ended = _run(boot, {"HOME": folder, **self.kernel.environment(Path(folder))}, seconds)
            status = _text(share / "status")
            if not ended or not status:
                why = f"did not end in {seconds:g} s" if not ended else "ended before its command did"
                said = console.decode(errors="replace") + _text(share / "err")
                raise LabError(f"a guest with {argv[0]} {why}; it wrote\n{said[-_TAIL:]}")
            return Completed(int(status), _text(share / "out"), _text(share / "err"))

    def _write(self, share: Path, argv: Sequence[str], writable: Path) -> None:
        """What the guest is to do: files, because they need no escaping for a kernel's command line."""
        said = {
            "LAYERS": ":".join(self.kernel.layers),
            "WRITABLE": str(writable),
            "MODULES": " ".join(self.modules),
            "FOLDER": str(_REPOSITORY),
        }
        exports = {"HOME": "/root", "LANG": "C.UTF-8", **self.environment}
        lines = [f"{name}={shlex.quote(value)}" for name, value in said.items()]
        lines += [f"export {name}={shlex.quote(value)}" for name, value in exports.items()]
        (share / "plan").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (share / "command").write_text(f"exec {shlex.join(argv)}\n", encoding="utf-8")
        (share / "errand").write_bytes(_END.read_bytes())


def _run(boot: Sequence[str], environment: Mapping[str, str], seconds: float) -> tuple[bytes, bool]:
    """Run the kernel until it powers off: its console, and False when it had to be killed."""
    guard = ("timeout", "--signal=KILL", f"{seconds + _GRACE:g}")  # ends it even where we were killed
    alone = ("unshare", "--pid", "--fork", "--kill-child=KILL")  # a guest makes a session of its own; all of it ends with unshare
    guest = subprocess.Popen(
        [*guard, *alone, *boot],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **environment},
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


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def with_tools(*trees: Tools) -> tuple[str, ...]:
    """The machine's /usr with these trees laid over it, the first uppermost."""
    return (*(str(tree.usr) for tree in trees), "/usr")
