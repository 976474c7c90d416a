"""What a saved file can answer: each fact that has such files is described once, in `workers/offline/sources/`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from node_helper.protocol import AnyFact, CannotLook
from workers.offline.folder import Folder

Q = TypeVar("Q")
A = TypeVar("A")
T = TypeVar("T")

BACKENDS = (
    "iptables-save.txt", "iptables-save-c.txt", "ip6tables-save.txt", "iptables-legacy-save.txt", "iptables-legacy-save-c.txt",
    "nft.json", "nft.txt", "nft-ip.txt", "nft-ip6.txt", "ipvsadm.txt",
)  # fmt: skip
"""The files that show how a node handles services, after its name and a dot. Which of them there are says what the node uses."""

OF_NODES = (*BACKENDS, "ip6tables-save-c.txt", "ip6tables-legacy-save.txt", "ip6tables-legacy-save-c.txt", "conntrack.txt")
"""Every file that is of one node."""


@dataclass(frozen=True)
class OfNode:
    """The files of one node."""

    node: str
    folder: Folder

    def file(self, what: str) -> str:
        """The name of a file, of what it holds."""
        return f"{self.node}.{what}"

    def has(self, what: str) -> bool:
        """Whether it was saved."""
        return self.folder.has(self.file(what))

    def backends(self) -> tuple[str, ...]:
        """The names of this node's files among `BACKENDS`. ``missing`` where there is none: then nothing says what it uses."""
        found = tuple(self.file(what) for what in BACKENDS if self.has(what))
        if not found:
            reason = f"{self.node}: none of its rules were saved ({', '.join(self.file(what) for what in BACKENDS)})"
            raise CannotLook(reason, kind="missing", fix=f"Save what the node uses, such as {self.file(BACKENDS[0])}.")
        return found

    def parsed(self, what: str, parse: Callable[[str], T]) -> T:
        """What a parser makes of a file; `CannotLook` names the file, and the place where it is malformed."""
        return self.folder.parsed(self.file(what), parse)


@dataclass(frozen=True)
class Source(Generic[Q, A]):
    """How a fact is answered from files: `read` gives its answer (of a `RowFact`: its rows), or raises `CannotLook`."""

    fact: AnyFact[Q, A]
    read: Callable[[OfNode, Q], object]
