"""Lines of the node's kernel log that say why packets were dropped, with the time at which they were written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from node_helper import kernel_log
from node_helper.kernel import Kernel
from node_helper.kernel_log import LogLine
from node_helper.protocol import CannotLook, Fact

_LIMIT = 4 << 20
_MOST = 50
_JOURNAL = ("journalctl", "--dmesg", "--quiet", "--no-pager", "--output=short-unix", "--lines=20000")
_FILES = ("/var/log/kern.log", "/var/log/syslog", "/var/log/messages")


@dataclass(frozen=True)
class Query:
    """The log is the whole node's."""


@dataclass(frozen=True)
class KernelLog:
    """The newest lines that tell of dropped packets, oldest first; `more` of them were older.

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
    return KernelLog(source, tuple(lines[-_MOST:]), max(0, len(lines) - _MOST), kernel_log.written(clock.now), netns)


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
    for path in _FILES:
        text = kernel.read_end(path, _LIMIT)
        if text is not None:
            return path, kernel_log.of_syslog(text, clock)
    raise CannotLook(f"no kernel log: {'; '.join(refusals)}; none of {', '.join(_FILES)}", kind="missing")


def _device(kernel: Kernel, clock: kernel_log.Clock) -> Optional[list[LogLine]]:
    text = kernel.kernel_log(_LIMIT)
    return None if text is None else kernel_log.of_device(text, clock)


def _journal(kernel: Kernel, clock: kernel_log.Clock) -> Optional[list[LogLine]]:  # noqa: ARG001  (the journal has the time itself)
    done = kernel.run(_JOURNAL)
    if done.status != 0:
        raise CannotLook(f"journalctl failed with status {done.status}: {done.err.strip()[:200]}", kind="malformed")
    return kernel_log.of_journal(done.out)


FACT = Fact(name="kernel_log", query=Query, answer=KernelLog, collect=collect)
