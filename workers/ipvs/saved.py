"""Virtual servers out of saved text: what `ipvsadm -Ln` or `ipvsadm-save -n` printed (ipvsadm(8), versions 1.26 to 1.31)."""

from __future__ import annotations

from dataclasses import replace

from node_helper.ipvs import VirtualServer
from workers.ipvs.errors import Malformed
from workers.ipvs.saved_listing import read_listing
from workers.ipvs.saved_options import read_options

_Key = tuple[int, str, str, int, int]


def parse(text: str) -> tuple[VirtualServer, ...]:
    """Every virtual server in the text's order, none where the text is empty. Raises `Malformed`.

    Connections are known from a listing only, thresholds and the kind of a tunnel from options only.
    """
    lines = [(number, line.rstrip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    entries = read_options(lines) if lines and lines[0][1].startswith("-") else read_listing(lines)
    found: dict[_Key, VirtualServer] = {}
    for number, server, is_new in entries:
        key = (server.family, server.protocol, server.address, server.port, server.mark)
        if is_new == (key in found):
            raise Malformed(f"virtual server {server} {'is there twice' if is_new else 'was not said before'}", number)
        found[key] = server if is_new else replace(found[key], real_servers=(*found[key].real_servers, *server.real_servers))
    return tuple(found.values())
