"""systemd starts an undo at its time: also when this node was off then, as soon as it is on again. I/O."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import Optional

from node_helper.changes import disk
from node_helper.changes.paths import Paths

_SERVICE = """[Unit]
Description=netcheck puts back what an approved change held for a time
After=systemd-modules-load.service systemd-sysctl.service

[Service]
Type=oneshot
ExecStart={python} -ISB {program}
"""
_TIMER = """[Unit]
Description=netcheck puts back what an approved change held for a time

[Timer]
OnCalendar={at} UTC
AccuracySec=1s
Persistent=true
Unit={name}.service

[Install]
WantedBy=timers.target
"""
_TOOLS = ("/usr/bin/systemctl", "/bin/systemctl")
_STAMPS = "/var/lib/systemd/timers"
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
_SECONDS = 30.0


class Failed(OSError):
    """systemd did not do what it was asked; in its words."""


def runs(paths: Paths) -> bool:
    """Whether it is this node's PID 1, and can be asked."""
    return os.path.isdir(paths.systemd) and _tool(paths) is not None


def start(paths: Paths, name: str, program: str, at: float) -> None:
    """Have it run the program at that time by this node's clock. Raises `OSError`."""
    name = _unit(name)
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at))
    disk.put(f"{paths.units}/{name}.service", _SERVICE.format(python=sys.executable, program=program), 0o644)
    disk.put(f"{paths.units}/{name}.timer", _TIMER.format(at=when, name=name), 0o644)
    _ask(paths, "daemon-reload")
    _ask(paths, "enable", "--now", f"{name}.timer")


def stop(paths: Paths, name: str) -> None:
    """Have it forget; may be asked by the program itself. Raises `OSError`."""
    name = _unit(name)
    with suppress(Failed):  # a timer that was not enabled yet, or whose units somebody took away
        _ask(paths, "disable", "--now", f"{name}.timer")
    for kind in ("timer", "service"):
        disk.drop(f"{paths.units}/{name}.{kind}")
    with suppress(FileNotFoundError):
        os.unlink(f"{paths.root}{_STAMPS}/stamp-{name}.timer")
    _ask(paths, "daemon-reload")


def knows(paths: Paths, name: str) -> bool:
    """Whether there is anything of it. Looks only."""
    return any(os.path.lexists(f"{paths.units}/{_unit(name)}.{kind}") for kind in ("service", "timer"))


def waits(paths: Paths, name: str) -> bool:
    """Whether its timer is enabled. Looks only."""
    return os.path.lexists(f"{paths.units}/timers.target.wants/{_unit(name)}.timer")


def _unit(name: str) -> str:
    return f"netcheck-{name}"


def _ask(paths: Paths, *words: str) -> None:
    import subprocess  # here, because the helper's start has no need of it

    tool = _tool(paths)
    if tool is None:
        raise Failed("there is no systemctl")
    argv = [tool, *words]
    try:
        done = subprocess.run(
            argv, env=_ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_SECONDS, cwd="/"
        )
    except subprocess.TimeoutExpired as e:
        raise Failed(f"systemctl {' '.join(words)} took more than {_SECONDS:g} s") from e
    if done.returncode != 0:
        raise Failed(f"systemctl {' '.join(words)}: {done.stderr.decode(errors='replace').strip()[:500]}")


def _tool(paths: Paths) -> Optional[str]:
    return next((path for path in (paths.root + tool for tool in _TOOLS) if os.access(path, os.X_OK)), None)
