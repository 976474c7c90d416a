"""Lines of the node's kernel log that say why packets were dropped, with the time at which they were written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Optional

from node_helper import kernel_log
from node_helper.kernel import Kernel
from node_helper.kernel_log import LogLine
from node_helper.protocol import CannotLook, Fact

_LIMIT = 4 << 20
_MOST = 50
_JOURNAL = ("journalctl", "--dmesg", "--quiet", "--no-pager", "--output=short-unix", "--lines=20000")
_FOLDER = "/var/log"
_FILES = ("kern.log", "syslog", "messages")
_ROTATED = re.compile(r"\.1|-\d{8}(?:-\d+)?")  # logrotate's names for the file before this one, without and with dateext


@dataclass(frozen=True)
class Query:
    """The log is the whole node's."""


@dataclass(frozen=True)
class KernelLog:
    """The newest lines of each kind that tell of dropped packets, oldest first; `more` of them were older.

    `source` is where the log was read, and `now` the node's time (RFC 3339, UTC), to tell how long ago a line was written.
    `own_netns` is the number by which newer kernels name the node's first namespace in such lines.
    """

    source: str
    lines: tuple[LogLine, ...]
    more: int
    now: str
    own_netns: int


def collect(kernel: Kernel, query: Query) -> KernelLog:  # noqa: ARG001  (every fact takes one)
    """Read /dev/kmsg, else the journal, else a syslog file. ``missing`` where the node has none of them."""
    clock = kernel_log.clock(kernel.read("/proc/stat") or "", kernel.read("/proc/uptime") or "")
    source, lines = _lines(kernel, clock)
    netns = kernel.own_netns().inode
    kept = kernel_log.newest(lines, _MOST, netns)
    return KernelLog(source, tuple(kept), len(lines) - len(kept), kernel_log.written(clock.now), netns)


def _lines(kernel: Kernel, clock: kernel_log.Clock) -> tuple[str, list[LogLine]]:
    refusals = []
    for source, look in (("/dev/kmsg", _device), ("journalctl --dmesg", _journal)):
        try:
            found = look(kernel, clock)
        except CannotLook as e:
            refusals.append(e.reason)
            continue
        if found is not None:
            return source, found
        refusals.append(f"there is no {source}")
    for name in _FILES:
        text = _syslog(kernel, name)
        if text is None:
            continue
        if kernel_log.holds_records(text, "syslog"):
            return f"{_FOLDER}/{name}", kernel_log.of_syslog(text, clock)
        refusals.append(f"{_FOLDER}/{name} holds no line with a time that netcheck reads")
    where = ", ".join(f"{_FOLDER}/{name}" for name in _FILES)
    raise CannotLook(f"no kernel log: {'; '.join(refusals)}; none of {where}", kind="missing")


def _device(kernel: Kernel, clock: kernel_log.Clock) -> Optional[list[LogLine]]:
    """Where nodes are containers it may be a link to another device, which has no records."""
    text = kernel.kernel_log(_LIMIT)
    if text is not None and not kernel_log.holds_records(text, "device"):
        raise CannotLook("/dev/kmsg holds no record", kind="missing")
    return None if text is None else kernel_log.of_device(text, clock)


def _journal(kernel: Kernel, clock: kernel_log.Clock) -> Optional[list[LogLine]]:  # noqa: ARG001  (the journal has the time itself)
    done = kernel.run(_JOURNAL)
    if done.status != 0:
        raise CannotLook(f"journalctl failed with status {done.status}: {done.err.strip()[:200]}", kind="malformed")
    if not kernel_log.holds_records(done.out, "journal"):
        raise CannotLook("journalctl --dmesg gives no line of the kernel", kind="missing")
    return kernel_log.of_journal(done.out)


def _syslog(kernel: Kernel, name: str) -> Optional[str]:
    """A file and the one before it, which holds the last day where logs were rotated just now; None where there is no file."""
    text = kernel.read_end(f"{_FOLDER}/{name}", _LIMIT)
    if text is None:
        return None
    names = kernel.names_in(_FOLDER)
    before = [each for each in names if each.startswith(name) and _ROTATED.fullmatch(each[len(name) :])]
    return "".join([*(kernel.read_end(f"{_FOLDER}/{each}", _LIMIT) or "" for each in before[-1:]), text])


FACT = Fact(name="kernel_log", query=Query, answer=KernelLog, collect=collect)
