"""One TCP handshake."""

from __future__ import annotations

import socket
import struct
import time

from node_helper.linux.probes.outcome import failed, place
from node_helper.linux.probes.waiting import Attempt
from node_helper.records import Reply

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER of 0 s: nothing lingers in TIME-WAIT in the pod


def connect(address: str, port: int, attempt: Attempt) -> Reply:
    """Shake hands and hang up at once."""
    try:
        family, there = place(address, port)
    except OSError as e:
        return failed(e, attempt.started)
    with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as talk:
        talk.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        try:
            attempt.connect(talk, there)
        except OSError as e:
            return failed(e, attempt.started)
        return Reply("answered", time.monotonic() - attempt.started, sender=address)
