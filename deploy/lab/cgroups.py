"""A node has a cgroup of its own in each hierarchy of the machine, below the cgroup that the lab itself runs in."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from deploy.lab.errors import LabError

_LEAF = (
    "lab"  # where the lab's own processes sit: with cgroup v2 an inner cgroup can have controllers only while it has no process
)


class Version(Enum):
    """Which cgroups a node shows to its runtime."""

    V1 = "v1"
    V2 = "v2"


class Driver(Enum):
    """How the kubelet names the cgroups of pods (its ``cgroupDriver``)."""

    CGROUPFS = "cgroupfs"
    SYSTEMD = "systemd"

    def parent(self, uid: str) -> str:
        """The cgroup of a BestEffort pod, as CRI has it."""
        if self is Driver.CGROUPFS:
            return f"/kubepods/besteffort/pod{uid}"
        return f"/kubepods.slice/kubepods-besteffort.slice/{self.docker_parent(uid)}"

    def docker_parent(self, uid: str) -> str:
        """The same for docker, which wants a slice's name alone."""
        return self.parent(uid) if self is Driver.CGROUPFS else f"kubepods-besteffort-pod{uid.replace('-', '_')}.slice"


@dataclass(frozen=True)
class Hierarchy:
    """One mounted hierarchy: ``option`` is what mount calls it (empty for v2), ``own`` the cgroup we run in."""

    option: str
    own: Path


def hierarchies(cgroup: str, mountinfo: str) -> Iterator[Hierarchy]:
    """Each hierarchy once, from the texts of ``/proc/self/cgroup`` and ``/proc/self/mountinfo`` (man 7 cgroups)."""
    paths = {option: path for _, option, path in (line.split(":", 2) for line in cgroup.splitlines())}
    for line in mountinfo.splitlines():
        mount, _, source = line.partition(" - ")
        root, point = mount.split()[3:5]
        kind, _, options = source.split(" ", 2)
        for option in [o for o in paths if _is_mounted(o, kind, options)]:
            inside = os.path.relpath(paths.pop(option), root)
            yield Hierarchy(option, Path(point) / inside)


def _is_mounted(option: str, kind: str, options: str) -> bool:
    if not option:
        return kind == "cgroup2"
    return kind == "cgroup" and set(option.split(",")) <= set(options.split(","))


def on_this_machine() -> list[Hierarchy]:
    """What :func:`hierarchies` reads from this process."""
    proc = Path("/proc/self")
    return list(hierarchies(proc.joinpath("cgroup").read_text(), proc.joinpath("mountinfo").read_text()))


def usual(found: Sequence[Hierarchy]) -> Version:
    """The version that this machine's own runtime would use: v1 where its controllers are mounted."""
    return Version.V1 if any("memory" in h.option.split(",") for h in found) else Version.V2


@dataclass(frozen=True)
class Subtree:
    """The cgroups of one node: a directory of the same name in each hierarchy."""

    version: Version
    options: tuple[str, ...]  # of the v1 hierarchies
    folders: tuple[Path, ...]

    @classmethod
    def plan(cls, name: str, version: Version) -> Subtree:
        """The directories that a node of this name will have; none is made yet."""
        found = [h for h in on_this_machine() if version is Version.V1 or not h.option]
        if not found:
            raise LabError("the lab needs cgroups, and none are mounted under /sys/fs/cgroup")
        options = tuple(h.option for h in found if h.option)
        return cls(version, options, tuple(h.own / name for h in found))

    def make(self) -> None:
        """Make the directories; the reaper removes them. Raises :class:`LabError` where the machine does not let us."""
        for folder in self.folders:
            try:
                for path in (folder, folder / _LEAF):
                    path.mkdir()
                    _fill_cpuset(path)
            except OSError as error:
                raise LabError(f"the lab needs to make cgroups in {folder.parent}: {error.strerror}") from error

    def joining(self, argv: Sequence[str]) -> list[str]:
        """``argv`` wrapped so that it starts in the node's cgroups."""
        return _joining(self.folders, argv)

    def joining_leaf(self, argv: Sequence[str]) -> list[str]:
        """``argv`` wrapped so that it starts where the node's own processes are, beside its pods."""
        return _joining([folder / _LEAF for folder in self.folders], argv)

    def settle(self, pids: Sequence[int]) -> None:
        """Move processes that had to start in the top cgroup into the leaf."""
        for folder in self.folders:
            for pid in pids:
                (folder / _LEAF / "cgroup.procs").write_text(str(pid), encoding="ascii")


def _joining(folders: Sequence[Path], argv: Sequence[str]) -> list[str]:
    script = "".join(f'echo 0 > "{folder}/cgroup.procs" && ' for folder in folders) + 'exec "$@"'
    return ["sh", "-c", script, "sh", *argv]


def _fill_cpuset(folder: Path) -> None:
    """A v1 cpuset starts empty and admits no process until it is filled."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        if (folder / name).exists() and not (folder / "cgroup.type").exists():
            (folder / name).write_text((folder.parent / name).read_text(), encoding="ascii")
