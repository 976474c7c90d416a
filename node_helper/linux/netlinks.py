"""A question's netlink sockets: one a namespace, made at the first need, and closed together."""

from __future__ import annotations

import threading
from typing import Callable, TypeVar

from node_helper.kernel import Netns
from node_helper.linux.netlink import Netlink, connect
from node_helper.linux.netns import inside, verify

T = TypeVar("T")


class Netlinks:
    """Sockets stay in the namespace in which they were made, so only the first question to each has to go there."""

    def __init__(self) -> None:
        self._by_inode: dict[int, Netlink] = {}
        self._one_at_a_time = threading.Lock()

    def ask(self, where: Netns, ask: Callable[[Netlink], T]) -> T:
        """What a namespace answers. `CannotLook` of kind ``gone`` once its path opens another."""
        with self._one_at_a_time:
            known = self._by_inode.get(where.inode)
            if known is None:
                known = self._by_inode[where.inode] = inside(where, connect)
            else:
                verify(where)
            return ask(known)

    def close(self) -> None:
        """Close every socket; the next question opens its own again."""
        with self._one_at_a_time:
            while self._by_inode:
                self._by_inode.popitem()[1].close()
