"""Events of the conntrack table, as they come from the kernel: what happened, at whose request, to which flow."""

from __future__ import annotations

import struct
from typing import Iterator

from node_helper.conntrack.layout import Layout, Values
from node_helper.conntrack.reading import DELETE, NEW, Reader
from node_helper.linux.netlink import Malformed

_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
_CREATE = 0x400  # NLM_F_CREATE, which tells a new entry from a changed one


class Events:
    """Events in their order, each read by its layout."""

    def __init__(self) -> None:
        self._reader = Reader()

    def read(self, data: bytes) -> Iterator[tuple[str, int, Layout, Values]]:
        """Those of one datagram: new, update or destroy; the netlink port of who asked for it, or 0; the flow.

        Raises `Malformed`.
        """
        at = 0
        while at < len(data):
            if at + _HEADER.size > len(data):
                raise Malformed("bytes are left after the last netlink message")
            size, kind, flags, _, by = _HEADER.unpack_from(data, at)
            message = data[at : at + max(size, 1)]
            event = {NEW: "new" if flags & _CREATE else "update", DELETE: "destroy"}.get(kind, "")
            for layout, values in self._reader.read(message):
                yield event, by, layout, values
            at += (size + 3) & ~3
