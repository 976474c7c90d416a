"""What the lab runs is unpacked from Debian packages, never installed: nothing starts, and the machine stays as it was."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from deploy.lab.errors import LabError

Say = Callable[[str], None]

PACKAGES = (
    "containerd",  # runs the pods
    "runc",
    "containernetworking-plugins",  # bridge and host-local: a pod's veth and addresses
    "busybox-static",  # all that the pods' image holds
    "tini",  # PID 1 of a node
    "openssh-server",  # how the worker reaches a node
    "openssh-client",
    "iptables",  # the service rules, and the tools a person would look at them with
    "nftables",
    "nfacct",  # kube-proxy's rules count in named nfacct objects
    "conntrack",
    "iproute2",
    "netbase",  # /etc/protocols and /etc/services, by whose names nft and iptables list rules; a small base system has neither
    "iputils-ping",
    "procps",  # ps and sysctl
    "dnsmasq-base",  # the cluster's DNS
    "bind9-dnsutils",  # dig: the oracle of the DNS tests
    "ethtool",
    "tcpdump",
)
_PYTHON = "/usr/bin/python3"  # what the node helper runs on; Debian's, wherever our own Python came from
_NEEDED = (
    "/usr/bin/containerd",
    "/usr/sbin/runc",
    "/usr/lib/cni/bridge",
    "/usr/bin/busybox",
    "/usr/bin/tini",
    "/usr/sbin/sshd",
    "/usr/sbin/xtables-nft-multi",
    "/usr/sbin/nft",
    "/usr/sbin/conntrack",
    "/usr/bin/ip",
    "/usr/sbin/dnsmasq",
    "/usr/bin/dig",
    _PYTHON,
)
_MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")  # of the file system's root: all under /usr since Debian 12
_CHOSEN = "xtables-nft-multi"
_IPTABLES = tuple(f"{family}tables{verb}" for family in ("ip", "ip6") for verb in ("", "-save", "-restore"))


@dataclass(frozen=True)
class Packages:
    """Packages that share a tree, named ``tree`` in the cache; ``needed`` are the files without which it is of no use.

    Of those that are ``alone`` nothing is fetched that they depend on; a metapackage among them stands for what it names first.
    """

    tree: str
    names: tuple[str, ...]
    needed: tuple[str, ...]
    alone: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tools:
    """The unpacked tree; ``usr`` is laid over the machine's ``/usr`` wherever the lab runs something, ``more`` over that."""

    cache: Path
    usr: Path
    more: tuple[Path, ...] = ()

    @property
    def layers(self) -> str:
        """The lower layers of an overlay over ``/usr``, the uppermost first."""
        return ":".join(map(str, (*self.more, self.usr, "/usr")))

    def with_more(self, other: Tools) -> Tools:
        """These, and others for whom only some need them."""
        return replace(self, more=(*self.more, other.usr))

    def file(self, path: str) -> Path:
        """The file that ``path`` (under ``/usr``) names where the trees are laid over the machine's."""
        inside = [usr / Path(path).relative_to("/usr") for usr in (*self.more, self.usr)]
        return next((file for file in inside if file.exists()), Path(path))

    def argv(self, argv: Sequence[str]) -> list[str]:
        """``argv`` wrapped so that it runs on this machine, in a mount namespace that has the tools."""
        over_etc = f"mount -t overlay overlay -o lowerdir=/etc:{self.usr.parent}/etc /etc"  # the machine's own files first
        script = f'mount -t overlay overlay -o lowerdir={self.usr}:/usr /usr && {over_etc} && exec "$@"'
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *argv]


def cache_folder() -> Path:
    """Where unpacked packages and images are kept between runs (``NETCHECK_LAB_CACHE``)."""
    return Path(os.environ.get("NETCHECK_LAB_CACHE", "/var/cache/netcheck-lab"))


@contextmanager
def exclusive(name: str) -> Iterator[Path]:
    """Hold the cache's lock called ``name``, so that of two labs one fetches and the other then finds it there.

    Raises :class:`LabError` where the cache cannot be written.
    """
    cache = cache_folder()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock = (cache / f"{name}.lock").open("w")
    except OSError as e:
        raise LabError(f"the lab cannot keep files in {cache} ({e.strerror}); set NETCHECK_LAB_CACHE to another folder") from e
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield cache


def prepare(say: Say, packages: Packages | None = None) -> Tools:
    """The tools (the lab's own by default), fetched only if they are not there yet.

    Raises :class:`LabError` where apt cannot fetch them.
    """
    wanted = packages or _lab()
    with exclusive("packages") as cache:
        tools = _present(cache, wanted)
        if tools is None:
            say("fetching Debian packages (once)")
            _publish(cache, wanted, _fetched(cache, wanted))
            tools = _present(cache, wanted)
    if tools is None:
        raise LabError(f"the unpacked packages in {cache} are not complete; remove that folder and try again")
    return tools


def _lab() -> Packages:
    return Packages("root", PACKAGES if Path(_PYTHON).exists() else (*PACKAGES, "python3"), _NEEDED)


def _stamp(wanted: Packages) -> str:
    release = Path("/etc/debian_version").read_text(encoding="ascii").strip().split(".")[0]
    return hashlib.sha256(" ".join((release, platform.machine(), *wanted.names, *wanted.alone)).encode()).hexdigest()


def _present(cache: Path, wanted: Packages) -> Tools | None:
    root = (cache / wanted.tree).resolve()
    stamp = root / "stamp"
    if not stamp.exists() or stamp.read_text(encoding="ascii") != _stamp(wanted):
        return None
    tools = Tools(cache, root / "usr")
    return tools if all(tools.file(path).exists() for path in wanted.needed) else None


def _publish(cache: Path, wanted: Packages, root: Path) -> None:
    """Let ``root`` be the tree from now on; a lab that is up keeps the one it started with."""
    link = root / "link"
    link.symlink_to(root.name)
    link.rename(cache / wanted.tree)


def _fetched(cache: Path, wanted: Packages) -> Path:
    for unfinished in (path for path in cache.glob(f"{wanted.tree}-*") if not (path / "stamp").exists()):
        shutil.rmtree(unfinished)
    root = Path(tempfile.mkdtemp(prefix=f"{wanted.tree}-", dir=cache))
    try:
        root.chmod(0o755)
        for deb in _downloaded(cache, wanted):
            _unpack(deb, root)
        _choose_iptables(root / "usr/sbin")
        (root / "stamp").write_text(_stamp(wanted), encoding="ascii")
    except BaseException:
        shutil.rmtree(root)
        raise
    shutil.rmtree(cache / "debs")
    return root


def _downloaded(cache: Path, wanted: Packages) -> list[Path]:
    debs = cache / "debs"
    shutil.rmtree(debs, ignore_errors=True)
    (debs / "partial").mkdir(parents=True)
    download = ["install", "--yes", "--download-only", "--no-install-recommends", "--reinstall", *wanted.names]
    options = ["-o", f"Dir::Cache::archives={debs}"]
    if _apt([*options, *download]).returncode != 0:  # the machine's package lists are missing or out of date
        _apt(["update"])
        done = _apt([*options, *download])
        if done.returncode != 0:
            raise LabError(f"apt-get could not fetch the lab's packages; is the network there?\n{done.stderr.strip()}")
    for name in wanted.alone:
        if _apt(["download", _meant(name)], debs).returncode != 0:
            raise LabError(f"apt-get could not fetch {name}; is the network there?")
    return sorted(debs.glob("*.deb"))


def _meant(name: str) -> str:
    """The package that a metapackage (such as that of the newest kernel) depends on first, or the package itself."""
    told = subprocess.run(["apt-cache", "depends", "--important", name], capture_output=True, text=True, check=False).stdout
    return next((line.split()[-1] for line in told.splitlines() if line.strip().startswith("Depends:")), name)


def _apt(arguments: Sequence[str], folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    options = ["-q", "-o", "DPkg::Lock::Timeout=120", "-o", "APT::Sandbox::User=root"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    argv = ["apt-get", *options, *arguments]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, cwd=folder)


def _unpack(deb: Path, root: Path) -> None:
    for name in _MERGED:
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        if not (root / name).is_symlink():
            (root / name).symlink_to(f"usr/{name}")
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE) as source:
        extract = ["tar", "--extract", "--keep-directory-symlink", "--no-same-owner", "--directory", str(root)]
        subprocess.run(extract, stdin=source.stdout, check=True)
    if source.returncode != 0:
        raise LabError(f"{deb} cannot be unpacked; remove it and try again")


def _choose_iptables(folder: Path) -> None:
    """Do what the package's update-alternatives would: plain ``iptables`` is the nft-backed one."""
    for name in _IPTABLES if (folder / _CHOSEN).exists() else ():
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(_CHOSEN)
