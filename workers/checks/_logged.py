"""Lines of a node's kernel log as evidence: of one kind, and not older than a while. Pure."""

from __future__ import annotations

from datetime import datetime

from node_helper.facts.kernel_log import KernelLog
from node_helper.kernel_log import LogLine
from node_helper.protocol import CannotLook

RECENT_S, LATELY_S = 600, 86400
"""What was logged in the last ten minutes goes on; what was in the last day is worth a warning."""


def told(log: KernelLog | CannotLook | None, what: str, within_s: int) -> list[LogLine]:
    """By the node's own clock; none where the log could not be read."""
    if not isinstance(log, KernelLog):
        return []
    now = datetime.fromisoformat(log.now)
    of = [line for line in log.lines if line.what == what]
    return [line for line in of if (now - datetime.fromisoformat(line.at)).total_seconds() <= within_s]
