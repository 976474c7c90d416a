"""What became of a job: its end, and the message that says so. Rendered once, stored, then sent as often as it takes."""

from __future__ import annotations

import json
from dataclasses import dataclass

from node_helper import codec
from workers.changes.proposal import CarriedOut, Draft
from workers.queue.status import State
from workers.render.message import Message


@dataclass(frozen=True)
class Outcome:
    """`reason` goes into the queue's own record, `message` into the thread, `directly` to the person alone.

    `redacted`: the message was made for others to read. With a `draft` it is a plan that waits to be approved; `carried` is what
    became of a grant.
    """

    state: State
    message: Message
    reason: str = ""
    directly: Message | None = None
    redacted: bool = False
    draft: Draft | None = None
    carried: CarriedOut | None = None

    def dumps(self) -> bytes:
        """As it is stored."""
        said = {"state": self.state.value, "reason": self.reason, "message": self.message.dumps(), "redacted": self.redacted}
        letters = {name: codec.encode(one) for name, one in (("draft", self.draft), ("carried", self.carried)) if one is not None}
        return json.dumps(said | letters | ({"directly": self.directly.dumps()} if self.directly else {})).encode()

    @classmethod
    def loads(cls, data: bytes) -> Outcome:
        """From `dumps`; what is stored is sealed, so another shape is a fault of ours."""
        said = json.loads(data)
        directly = Message.loads(said["directly"]) if "directly" in said else None
        draft = codec.decode(Draft, said["draft"]) if "draft" in said else None
        carried = codec.decode(CarriedOut, said["carried"]) if "carried" in said else None
        state, message = State(said["state"]), Message.loads(said["message"])
        return cls(state, message, said["reason"], directly, bool(said.get("redacted")), draft, carried)
