"""A message as it is stored and sent: the fallback text, Slack's blocks as JSON values, and the files that go with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from workers.model import RawFile

Block = Mapping[str, Any]


@dataclass(frozen=True)
class Message:
    """`text` is what notifications and screen readers get; it is never the only copy of something that blocks leave out."""

    text: str
    blocks: tuple[Block, ...] = ()
    files: tuple[RawFile, ...] = ()

    def without_buttons(self) -> Message:
        """The same to read, where nothing can be clicked."""
        kept = ({k: v for k, v in block.items() if k != "accessory"} for block in self.blocks if block.get("type") != "actions")
        return Message(self.text, tuple(kept), self.files)

    def dumps(self) -> str:
        """As JSON text: rendered once, it is stored before it is sent."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def loads(cls, text: str) -> Message:
        """From `dumps`. Raises `ValueError`, `KeyError` or `TypeError` for anything else."""
        data = json.loads(text)
        return cls(data["text"], tuple(data["blocks"]), tuple(RawFile(**file) for file in data["files"]))
