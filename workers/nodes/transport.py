"""How a helper is reached: started somewhere, spoken to in bytes, ended. SSH is one way; exec into a pod can be another file."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Ended:
    """How a helper ended: its exit status (None: the connection was lost or a signal came) and the end of its log."""

    status: int | None
    log: str


class Session(Protocol):
    """One running helper. A lost connection is the end of its output; nothing here raises but `CannotLook`."""

    async def read(self) -> bytes:
        """The next bytes, empty at the end."""

    def write(self, data: bytes) -> None:
        """Send, or forget it when the helper is gone: its output then ends."""

    async def drain(self) -> None:
        """Wait while too much is unsent."""

    async def ended(self) -> Ended:
        """How it ended, once its output did."""

    def abort(self) -> None:
        """End it at once, without waiting."""

    async def aclose(self) -> None:
        """End it, and wait until it is gone."""


class Transport(Protocol):
    """A way to start helpers. Raises `CannotLook` where one cannot be started."""

    async def start(self, node: str) -> Session:
        """Start the helper of a node, named as Kubernetes names it."""
