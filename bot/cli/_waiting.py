"""A spinner for who waits at a terminal, once it takes long."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


@contextmanager
def waiting(console: Console, said: str, after_s: float = 1.0) -> Iterator[None]:
    """Shown from `after_s` on until the end of the block, on terminals alone; it turns in a thread, whatever the block does."""
    status = console.status(said)
    timer = threading.Timer(after_s, status.start)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        status.stop()
