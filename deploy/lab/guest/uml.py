"""User-mode Linux: a whole kernel as one process that needs no rights, up in about two seconds, with one CPU.

It has IPVS with every scheduler, conntrack, legacy iptables, ipset, veth, bridges and namespaces; its nftables knows
neither ip nor inet.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from deploy.lab import packages
from deploy.lab.guest.errand import Guest, with_tools
from deploy.lab.packages import Packages, Say, Tools

PACKAGES = Packages(
    tree="uml",
    names=("user-mode-linux", "kmod", "ipvsadm", "tcc"),  # with what loads its modules, the reference tool for IPVS, a compiler
    needed=("/usr/bin/linux.uml", "/usr/lib/uml/modules", "/usr/bin/kmod", "/usr/sbin/ipvsadm", "/usr/bin/tcc"),
)
_INIT = Path(__file__).with_name("uml-init.sh")
_PTRACE = Path(__file__).with_name("uml_ptrace.c")
_MEMORY = "512M"
_KERNEL = "linux.uml"


@dataclass(frozen=True)
class UserMode:
    """The kernel, and the lab's tools for what runs in it."""

    kernel: Tools
    lab: Tools

    @property
    def layers(self) -> tuple[str, ...]:
        """It lays the tools over the machine's /usr itself."""
        return with_tools(self.kernel, self.lab)

    def argv(self, folder: Path, share: Path, writable: Path) -> list[str]:  # noqa: ARG002  (its init mounts that by itself)
        """The kernel and the processes that it traces take turns: on one CPU they do so in half the time."""
        shutil.copy(_INIT, share / "init")
        (share / "init").chmod(0o755)
        return [
            *("taskset", "--cpu-list", str(least_taken_cpu(_KERNEL))),
            *("env", f"LD_PRELOAD={ptrace(self.kernel, folder)}"),
            str(self.kernel.file(f"/usr/bin/{_KERNEL}")),
            *(f"mem={_MEMORY}", "rootfstype=hostfs", "rootflags=/", "ro", "quiet", "con=null", "con0=null,fd:1", "ssl=null"),
            *(f"init={share}/init", f"SHARE={share}", f"uml_dir={folder}", "umid=uml"),
        ]

    def environment(self, folder: Path) -> Mapping[str, str]:
        """Where its memory is kept, in a file without a name: in memory where there is such a place."""
        return {"TMPDIR": "/dev/shm" if Path("/dev/shm").is_dir() else str(folder)}  # noqa: S108  (the kernel makes it safely)


def prepare(say: Say, modules: Sequence[str] = ()) -> Guest:
    """A guest, its packages fetched only if they are not there yet. Raises :class:`LabError`."""
    return Guest(UserMode(packages.prepare(say, PACKAGES), packages.prepare(say)), tuple(modules))


def ptrace(kernel: Tools, folder: Path) -> Path:
    """Build, in a folder, what the kernel must load to run on a CPU with AMX."""
    built, compiler = folder / "ptrace.so", kernel.file("/usr/bin/tcc")
    subprocess.run([str(compiler), "-shared", "-nostdlib", "-o", str(built), str(_PTRACE)], check=True)
    return built


def least_taken_cpu(program: str) -> int:
    """The one that the fewest processes of this program may use, so that two guests at once do not wait for each other."""
    taken: Counter[int] = Counter()
    for comm in Path("/proc").glob("[0-9]*/comm"):
        with suppress(OSError):  # it has ended
            if comm.read_text().strip() == program:
                taken.update(os.sched_getaffinity(int(comm.parent.name)))
    ours = sorted(os.sched_getaffinity(0))
    least = min(taken[cpu] for cpu in ours)
    return random.choice([cpu for cpu in ours if taken[cpu] == least])  # noqa: S311  (of those that start at once)
