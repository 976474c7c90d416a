"""Events of the conntrack table, as they come from the kernel: what happened, to which flow."""

from __future__ import annotations

import struct
from typing import Iterator

from node_helper.conntrack.layout import Layout, Values
from node_helper.conntrack.reading import DELETE, NEW, Reader
from node_helper.linux.netlink import Malformed

_HEADER = struct.Struct("=IHH")  # struct nlmsghdr as far as the flags
_CREATE = 0x400  # NLM_F_CREATE, which tells a new entry from a changed one


class Events:
    """Events in their order, each read by its layout."""

    def __init__(self) -> None:
        self._reader = Reader()

    def read(self, data: bytes) -> Iterator[tuple[str, Layout, Values]]:
        """Those of one datagram: new, update or destroy, and the flow. Raises `Malformed`."""
        at = 0
        while at < len(data):
            if at + _HEADER.size > len(data):
                raise Malformed("bytes are left after the last netlink message")
            size, kind, flags = _HEADER.unpack_from(data, at)
            message = data[at : at + max(size, 1)]
            event = {NEW: "new" if flags & _CREATE else "update", DELETE: "destroy"}.get(kind, "")
            for layout, values in self._reader.read(message):
                yield event, layout, values
            at += (size + 3) & ~3
