"""The faults that are set and the calls that were seen, shared by both directions of the proxy."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from deploy.lab.slack.faults import Call, Fault

_REMEMBERED = 20_000


class Book:
    """Written by who passes calls on, read and set by tests."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.calls: deque[Call] = deque(maxlen=_REMEMBERED)
        self._number = 0

    def fault(self, method: str, args: Mapping[str, Any]) -> Fault | None:
        """The fault that this call meets."""
        return next((f for f in self.faults if f.meets(method, args)), None)

    def note(self, method: str, args: Mapping[str, Any], status: int, answer: Mapping[str, Any], fault: Fault | None) -> None:
        """Remember a call."""
        self._number += 1
        kind = fault.kind.value if fault else ""
        self.calls.append(Call(self._number, method, status, time.monotonic(), kind, args, answer))
