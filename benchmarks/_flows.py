"""A conntrack table of any size in seconds: messages of every kind made once, then sent again and again from other addresses.

A table of more flows than the machine's maximum needs that raised. It is put back by a process that waits for us to end, so that
it is also put back where we are killed.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from node_helper.kernel import Netns
from node_helper.linux import netns, nfnetlink
from node_helper.linux.netlink import messages
from tests.conntrack_flows import PERIOD, Entry, mixed, request

MAXIMUM = Path("/proc/sys/net/netfilter/nf_conntrack_max")
_BLOCK = 12 * PERIOD  # flows whose messages are made
_SENT = 32 << 10
_FLAGS = struct.Struct("=H")
_ACK = 0x4
_FLAGS_AT = 6
_V4, _V6 = struct.Struct(">I"), struct.Struct(">HH")
_RESTORE = """
import signal, sys
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
print("ready", flush=True)
sys.stdin.read()
with open(sys.argv[1], "w") as file:
    file.write(sys.argv[2])
"""


@contextmanager
def room_for(flows: int) -> Iterator[None]:
    """The machine's maximum is at least this inside, and what it was afterwards, whatever happens to this process."""
    before = MAXIMUM.read_text()
    if int(before) >= flows:
        yield
        return
    argv, pipe = [sys.executable, "-I", "-S", "-c", _RESTORE, str(MAXIMUM), before], subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, start_new_session=True) as keeper:
        assert keeper.stdout is not None
        keeper.stdout.readline()
        MAXIMUM.write_text(str(flows))
        yield


def fill(where: Netns, flows: int, before: int = 0) -> None:
    """Put different flows into the table of a namespace, up to 2^24 of them: those after the first `before` of so many."""
    numbers, entries = zip(*islice(_not_masqueraded(), _BLOCK), strict=True)
    block = [bytearray(request(entry)) for entry in entries]
    places = [_places(message, number) for number, message in zip(numbers, block, strict=True)]
    with netns.inside(where, nfnetlink.channel) as channel:
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        for begin in range(before, flows, _BLOCK):
            few = min(_BLOCK, flows - begin)
            for number in range(few):
                form, at = places[number]
                source = begin + number
                for place in at:
                    form.pack_into(block[number], place, *((0x0A000000 + source,) if form is _V4 else divmod(source, 1 << 16)))
            _send(channel, block[:few])


def _not_masqueraded() -> Iterator[tuple[int, Entry]]:
    """Entries by their numbers; a node has too few ports for the answers to a million flows that go out by its one address."""
    return ((number, entry) for number, entry in enumerate(mixed(2 * _BLOCK)) if not entry.nat_from)


def _places(message: bytearray, number: int) -> tuple[struct.Struct, list[int]]:
    """Where the source's number stands: in both directions."""
    v4 = ipaddress.ip_address(0x0A000000 + number).packed
    v6 = ipaddress.ip_address(f"fd00:{number >> 16:x}:{number & 0xFFFF:x}::5").packed
    family = message[16]
    form, packed, skip = (_V6, v6, 2) if family == socket.AF_INET6 else (_V4, v4, 0)
    first = message.index(packed)
    return form, [first + skip, message.index(packed, first + 1) + skip]


def _send(channel: socket.socket, block: list[bytearray]) -> None:
    """The last of each datagram is acknowledged, the others only where the kernel refuses them."""
    begin, size = 0, 0
    for number, message in enumerate(block):
        size += len(message)
        last = number + 1 == len(block) or size + len(block[number + 1]) > _SENT
        flags = _FLAGS.unpack_from(message, _FLAGS_AT)[0]
        _FLAGS.pack_into(message, _FLAGS_AT, flags | _ACK if last else flags & ~_ACK)
        if last:
            channel.send(b"".join(block[begin : number + 1]))
            for _, _, _, body in messages(channel.recv(1 << 16)):
                if code := -struct.unpack_from("=i", body)[0]:
                    raise OSError(code, "the kernel refuses a flow")
            begin, size = number + 1, 0
