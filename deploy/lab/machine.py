"""The lab runs where root can make namespaces and Debian 12's packages fit; elsewhere it says so in one line."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path

from deploy.lab.errors import LabError

NEEDS = "the lab needs root on Debian 12 (Linux)"
_RELEASE = "12"


def require() -> None:
    """Raise :class:`LabError` with one line when this machine cannot run the lab."""
    if platform.system() != "Linux":
        raise LabError(f"{NEEDS}; this is {platform.system()}")
    release = platform.freedesktop_os_release() if _has_release_file() else {}
    if not _is_debian(release):
        raise LabError(f"{NEEDS}; this is {release.get('PRETTY_NAME', 'an unknown Linux')}")
    if os.geteuid() != 0:
        raise LabError(f"{NEEDS}; run it again as root, for example with sudo")


def _has_release_file() -> bool:
    return any(Path(p).exists() for p in ("/etc/os-release", "/usr/lib/os-release"))


def _is_debian(release: Mapping[str, str]) -> bool:
    return release.get("ID") == "debian" and release.get("VERSION_ID") == _RELEASE
