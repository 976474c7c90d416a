"""What became of a job: its end, and the message that says so. Rendered once, stored, then sent as often as it takes."""

from __future__ import annotations

import json
from dataclasses import dataclass

from workers.queue.status import State
from workers.render.message import Message


@dataclass(frozen=True)
class Outcome:
    """`reason` goes into the queue's own record; `message` into the thread."""

    state: State
    message: Message
    reason: str = ""

    def dumps(self) -> bytes:
        """As it is stored."""
        return json.dumps({"state": self.state.value, "reason": self.reason, "message": self.message.dumps()}).encode()

    @classmethod
    def loads(cls, data: bytes) -> Outcome:
        """From `dumps`; what is stored is sealed, so another shape is a fault of ours."""
        said = json.loads(data)
        return cls(State(said["state"]), Message.loads(said["message"]), said["reason"])
