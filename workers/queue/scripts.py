"""The atomic steps of the queue: each file in `lua/` is one, and says what it does with which keys and arguments."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True)
class Script:
    """A script and the name by which Redis remembers it."""

    text: str
    sha: str


@cache
def script(name: str) -> Script:
    """The script of that name, after what is common to all."""
    folder = resources.files("workers.queue") / "lua"
    text = "\n".join((folder / f"{part}.lua").read_text("utf-8") for part in ("common", name))
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
