"""The kernel's log as /dev/kmsg gives it (Documentation/ABI/testing/dev-kmsg). Reading it takes nothing away from others."""

from __future__ import annotations

import errno
import os
from collections import deque
from typing import Optional

from node_helper.linux.errors import translated

PATH = "/dev/kmsg"
_RECORD = 1 << 16  # a shorter read is refused when the record is longer


def read(limit: int) -> Optional[str]:
    """The newest records, a line each, at most `limit` bytes; None where there is no such device."""
    with translated(PATH):
        try:
            descriptor = os.open(PATH, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        try:
            return _newest(descriptor, limit)
        finally:
            os.close(descriptor)


def _newest(descriptor: int, limit: int) -> str:
    kept: deque[bytes] = deque()
    size = 0
    while True:
        try:
            record = os.read(descriptor, _RECORD)
        except BlockingIOError:
            break
        except OSError as e:
            if e.errno == errno.EPIPE:  # the oldest records were overwritten meanwhile; the next read goes on after them
                continue
            raise
        if not record:
            break
        kept.append(record)
        size += len(record)
        while size > limit:
            size -= len(kept.popleft())
    return b"".join(kept).decode(errors="backslashreplace")
