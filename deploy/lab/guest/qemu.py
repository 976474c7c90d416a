"""QEMU in software: Debian's own kernel, with nftables and IPVS in one, some four times slower to start than user-mode Linux.

The machine's file system comes by 9p. A machine with virtual machine support of its own is not needed and not used.
"""

from __future__ import annotations

import lzma
import shutil
import struct
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.lab import packages
from deploy.lab.errors import LabError
from deploy.lab.guest import initramfs
from deploy.lab.guest.errand import Guest
from deploy.lab.packages import Packages, Say, Tools, exclusive

PACKAGES = Packages(
    tree="qemu",
    names=("qemu-system-x86", "kmod", "busybox-static", "ipvsadm"),
    needed=("/usr/bin/qemu-system-x86_64", "/usr/bin/kmod", "/usr/bin/busybox", "/usr/sbin/ipvsadm"),
    alone=("linux-image-amd64",),  # its dependencies are an init system
)
_INIT = Path(__file__).with_name("qemu-init.sh")
_FIRST = ("virtio_pci", "9pnet_virtio", "9p", "overlay")
_FOLDERS = ("bin", "dev", "proc", "lower", "over", "m")
_KEPT = {"drivers": frozenset({"virtio", "net"}), "fs": frozenset({"9p", "netfs", "fscache", "overlayfs"}), "sound": frozenset()}
_XZ = b"\xfd7zXZ\0"
_PAYLOAD, _SETUP_SECTORS, _SECTOR = 0x248, 0x1F1, 512  # Documentation/arch/x86/boot.rst
_MEMORY = "768M"
_COMMAND_LINE = (
    "console=ttyS0 panic=-1 loglevel=4 nokaslr mitigations=off lsm= audit=0 no_timer_check random.trust_cpu=on tsc=unstable"
)


@dataclass(frozen=True)
class Emulated:
    """The emulator with its kernel; ``tools`` has them and the lab's tools in one tree for /usr."""

    tools: Tools
    kernel: Path
    initramfs: Path

    @property
    def layers(self) -> tuple[str, ...]:
        """The emulator runs where the tools are laid over /usr, and passes on what it sees."""
        return ()

    def argv(self, folder: Path, share: Path, writable: Path) -> list[str]:  # noqa: ARG002  (it keeps no files of its own)
        """One CPU, no devices but the file systems and a console."""
        exported = {"machine": "/,readonly=on,multidevs=remap", "share": str(share), "writable": str(writable)}
        devices = [
            word
            for tag, path in exported.items()
            for word in (
                *("-fsdev", f"local,security_model=none,id={tag},path={path}"),
                *("-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"),
            )
        ]
        return self.tools.argv(
            [
                *("qemu-system-x86_64", "-M", "q35", "-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", _MEMORY),
                *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio"),
                *("-kernel", str(self.kernel), "-initrd", str(self.initramfs), "-append", f"{_COMMAND_LINE} SHARE={share}"),
                *devices,
            ]
        )

    def environment(self, folder: Path) -> Mapping[str, str]:  # noqa: ARG002  (none)
        """Nothing more."""
        return {}


def prepare(say: Say, modules: Sequence[str] = ()) -> Guest:
    """A guest, its packages fetched only if they are not there yet. Raises :class:`LabError`."""
    own, lab = packages.prepare(say, PACKAGES), packages.prepare(say)
    with exclusive("qemu"):
        boot = _made(own)
    both = Tools(own.cache, Path(f"{own.usr}:{lab.usr}"))  # overlayfs takes several trees so
    return Guest(Emulated(both, boot / "kernel", boot / "initramfs"), tuple(modules))


def _made(tools: Tools) -> Path:
    """The folder with what boots, made once from the unpacked packages."""
    root = tools.usr.parent
    boot = root / "boot"
    if not (boot / "initramfs").exists():
        modules = _modules(root)
        _prune(modules / "kernel")
        subprocess.run(tools.argv(["depmod", "-b", str(root), modules.name]), check=True)
        (boot / "kernel").write_bytes(_unpacked((boot / f"vmlinuz-{modules.name}").read_bytes()))
        files = {f"m/{number:02}-{path.name}": path.read_bytes() for number, path in enumerate(_needed(modules))}
        files |= {"bin/busybox": tools.file("/usr/bin/busybox").read_bytes(), "init": _INIT.read_bytes()}
        partial = boot / "initramfs.partial"
        partial.write_bytes(initramfs.archive(_FOLDERS, files))
        partial.rename(boot / "initramfs")
    return boot


def _modules(root: Path) -> Path:
    for folder in (root / "usr/lib/modules").iterdir():
        return folder
    raise LabError(f"{root} holds no kernel; remove that folder and try again")


def _prune(kernel: Path) -> None:
    """Of 300 MB of modules most are for hardware that no guest has."""
    for folder, kept in _KEPT.items():
        for path in (kernel / folder).iterdir():
            if path.name not in kept and path.is_dir():
                shutil.rmtree(path)


def _needed(modules: Path) -> list[Path]:
    """The first modules and what they need, in the order in which they can be loaded."""
    needs: dict[str, list[str]] = {}
    for line in (modules / "modules.dep").read_text(encoding="ascii").splitlines():
        path, _, others = line.partition(":")
        needs[Path(path).name.removesuffix(".ko")] = [*reversed(others.split()), path]
    return [modules / path for path in dict.fromkeys(path for name in _FIRST for path in needs.get(name, ()))]


def _unpacked(image: bytes) -> bytes:
    """The ELF file inside a bzImage, which the emulator starts two seconds sooner; the image itself where that is not XZ."""
    at, length = struct.unpack_from("<II", image, _PAYLOAD)
    payload = image[((image[_SETUP_SECTORS] or 4) + 1) * _SECTOR + at :][:length]
    return lzma.LZMADecompressor().decompress(payload) if payload.startswith(_XZ) else image
