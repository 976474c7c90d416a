"""Rows sent as they come: the first at once, those that come quickly together, and none waiting longer than `LINGER` for company.

The rows' own thread only makes them; another sends. It waits for the sender when the reader is slow, so memory stays bounded.
"""

from __future__ import annotations

import threading
import time
from typing import Any, Callable, Iterator, Optional

from node_helper import codec, wire
from node_helper.protocol import CannotLook
from node_helper.stop import Stop

LINGER = 0.02
_FULL = 128 << 10
_LONGEST = 512 << 10


def send_rows(number: int, rows: Iterator[Any], stop: Stop, send: Callable[[bytes], None]) -> None:
    """Send every row; the iterator is closed whatever happens. Raises `CannotLook` when the question ends before the rows do."""
    batch = _Batch(number, stop, send)
    sender = threading.Thread(target=batch.run, daemon=True)
    sender.start()
    try:
        for row in rows:
            batch.add(wire.text(codec.encode(row)))
            stop.check()
    finally:
        close = getattr(rows, "close", None)
        if close is not None:
            close()
        batch.close()
        sender.join()
    if batch.failed is not None:
        raise batch.failed


class _Batch:
    def __init__(self, number: int, stop: Stop, send: Callable[[bytes], None]) -> None:
        self.failed: Optional[CannotLook] = None
        self._head = f'{{"id":{number},"rows":['.encode()
        self._stop = stop
        self._send = send
        self._rows: list[str] = []
        self._size = 0
        self._closed = False
        self._changed = threading.Condition()

    def add(self, row: str) -> None:
        if len(row) > _LONGEST:
            raise CannotLook(f"a row of more than {_LONGEST} bytes", kind="budget")
        with self._changed:
            while self._size > _FULL and self.failed is None:
                self._changed.wait()
            if self.failed is not None:
                raise self.failed
            self._rows.append(row)
            self._size += len(row) + 1
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def run(self) -> None:
        try:
            while True:
                taken = self._take()
                if not taken:
                    return
                self._send(self._head + ",".join(taken).encode() + b"]}\n")
        except CannotLook as e:
            with self._changed:
                self.failed = e
                self._changed.notify_all()

    def _take(self) -> list[str]:
        """The rows that wait, after a moment for more; none when there will be no more."""
        with self._changed:
            while not self._rows and not self._closed:
                self._changed.wait()
            until = time.monotonic() + LINGER
            while not self._closed and self._size < _FULL and time.monotonic() < until:
                self._changed.wait(until - time.monotonic())
            taken, self._rows, self._size = self._rows, [], 0
            self._changed.notify_all()
            return taken
