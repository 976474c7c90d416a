"""A question's namespaces, each held open with a netlink socket in it from the first need on, and closed together."""

from __future__ import annotations

import os
import threading
from typing import Callable, NamedTuple, Optional, TypeVar

from node_helper.kernel import Netns
from node_helper.linux.netlink import Netlink, connect
from node_helper.linux.netns import inside_of, open_verified, verify
from node_helper.linux.rtnetlink import nsids

T = TypeVar("T")


class _Held(NamedTuple):
    """While the descriptor is open, no other namespace has its inode."""

    descriptor: int
    netlink: Netlink

    def close(self) -> None:
        """Give both back."""
        self.netlink.close()
        os.close(self.descriptor)


class Netlinks:
    """Sockets stay in the namespace in which they were made, so only the first question to each has to go there."""

    def __init__(self) -> None:
        self._by_inode: dict[int, _Held] = {}
        self._one_at_a_time = threading.Lock()

    def ask(self, where: Netns, ask: Callable[[Netlink], T]) -> T:
        """What a namespace answers. `CannotLook` of kind ``gone`` once its path opens another."""
        with self._one_at_a_time:
            return ask(self._held(where).netlink)

    def netnsid(self, where: Netns, of: Netns) -> Optional[int]:
        """The id by which one namespace knows another."""
        with self._one_at_a_time:
            return nsids.read(self._held(where).netlink, self._held(of).descriptor)

    def close(self) -> None:
        """Close all that is held; the next question opens its own again."""
        with self._one_at_a_time:
            while self._by_inode:
                self._by_inode.popitem()[1].close()

    def _held(self, where: Netns) -> _Held:
        held = self._by_inode.get(where.inode)
        if held is not None:
            verify(where)
            return held
        descriptor = open_verified(where)
        try:
            held = self._by_inode[where.inode] = _Held(descriptor, inside_of(where, descriptor, connect))
        except BaseException:
            os.close(descriptor)
            raise
        return held
