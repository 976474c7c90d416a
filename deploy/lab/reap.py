"""The process behind :mod:`deploy.lab.reaper`; a script that uses the standard library only.

It reads what to remove, a JSON object a line, and removes it at the end of standard input.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

_PATIENCE = 10.0  # seconds until what cannot be removed is left and said
_GRACE = 1.0  # seconds in which processes of a cgroup end by themselves
_PAUSE = 0.02


def _main() -> int:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    told = [json.loads(line) for line in sys.stdin]
    cgroups = [Path(p) for item in told for p in item.get("cgroups", ())]
    folders = [Path(p) for item in told for p in item.get("folders", ())]
    left = _away(cgroups, _cgroup_is_gone) + _away(folders, _folder_is_gone)
    for path in left:
        print(f"lab: {path} is still in use and stays behind", file=sys.stderr)  # noqa: T201 - a script's only voice
    return 1 if left else 0


def _away(paths: list[Path], is_gone: Callable[[Path, bool], bool]) -> list[Path]:
    """Try until all are gone, harshly after a moment; the answer is what stays."""
    start = time.monotonic()
    while paths and time.monotonic() < start + _PATIENCE:
        harsh = time.monotonic() > start + _GRACE
        paths = [path for path in paths if not is_gone(path, harsh)]
        time.sleep(_PAUSE if paths else 0)
    return paths


def _cgroup_is_gone(folder: Path, harsh: bool) -> bool:  # noqa: FBT001 - called by position only, by _away
    if harsh:
        _kill(folder)
    for path, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):  # still busy: the next round tries again
            Path(path).rmdir()
    return not folder.exists()


def _folder_is_gone(folder: Path, _: bool) -> bool:  # noqa: FBT001 - as above
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def _kill(folder: Path) -> None:
    for procs in folder.rglob("cgroup.procs"):
        with contextlib.suppress(OSError):  # gone meanwhile
            for pid in procs.read_text().split():
                os.kill(int(pid), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(_main())
