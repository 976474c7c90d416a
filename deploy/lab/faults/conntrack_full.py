"""The kernel of a node has just said that its conntrack table is full and that it drops packets."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy.lab.lab import Lab

NAME = "conntrack-full"
ASK = "conntrack node-one"
FINDING = "conntrack-table-full"
_LOG = "/dev/kmsg"  # a file of the node's own: the machine's log is nobody's to write


def inject(lab: Lab) -> Callable[[], object]:
    """Write the record that nf_conntrack writes (__nf_conntrack_alloc), as /dev/kmsg gives it."""
    at = int(time.clock_gettime(time.CLOCK_BOOTTIME) * 1e6)
    log = lab.nodes["node-one"].path(_LOG)
    before = log.read_text()
    log.write_text(f"{before}4,1234,{at},-;nf_conntrack: nf_conntrack: table full, dropping packet\n")
    return partial(log.write_text, before)
