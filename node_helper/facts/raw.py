"""What a person would read on the node: the reference tools' own words, from inside a namespace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from node_helper.kernel import Kernel, Netns
from node_helper.protocol import CannotLook, Fact

_COMMANDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "addr": (("ip", "addr"),),
    "route": (("ip", "route"), ("ip", "-6", "route")),
    "neigh": (("ip", "neigh"),),
    "sockets": (("ss", "-tuna"),),
}


@dataclass(frozen=True)
class Query:
    """Which namespace, and what of it."""

    netns: Netns
    what: Literal["addr", "route", "neigh", "sockets"]


@dataclass(frozen=True)
class Text:
    """The commands as a person types them, "&&" between two, and what they printed, byte for byte; `cut`: it was more."""

    argv: tuple[str, ...]
    text: str
    cut: bool = False


def collect(kernel: Kernel, query: Query) -> Text:
    """Run them. ``missing`` where the node has no such tool; ``malformed`` where it failed, in its own words."""
    words: list[str] = []
    text, cut = "", False
    for argv in _COMMANDS[query.what]:
        done = kernel.run(argv, query.netns)
        if done.status != 0:
            raise CannotLook(f"{' '.join(argv)} failed with status {done.status}: {done.err.strip()[:200]}", kind="malformed")
        words += ["&&", *argv] if words else argv
        text += done.out
        cut |= done.cut
    return Text(tuple(words), text, cut)


FACT = Fact(name="raw", query=Query, answer=Text, collect=collect)
