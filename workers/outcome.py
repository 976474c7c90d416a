"""What became of a job: its end, and the message that says so. Rendered once, stored, then sent as often as it takes."""

from __future__ import annotations

import json
from dataclasses import dataclass

from workers.queue.status import State
from workers.render.message import Message


@dataclass(frozen=True)
class Outcome:
    """`reason` goes into the queue's own record, `message` into the thread, `directly` to the person alone.

    `redacted`: the message was made for others to read.
    """

    state: State
    message: Message
    reason: str = ""
    directly: Message | None = None
    redacted: bool = False

    def dumps(self) -> bytes:
        """As it is stored."""
        said = {"state": self.state.value, "reason": self.reason, "message": self.message.dumps(), "redacted": self.redacted}
        return json.dumps(said | ({"directly": self.directly.dumps()} if self.directly else {})).encode()

    @classmethod
    def loads(cls, data: bytes) -> Outcome:
        """From `dumps`; what is stored is sealed, so another shape is a fault of ours."""
        said = json.loads(data)
        directly = Message.loads(said["directly"]) if "directly" in said else None
        return cls(State(said["state"]), Message.loads(said["message"]), said["reason"], directly, bool(said.get("redacted")))
