"""DNS servers in a namespace that answer with whatever a test says, and the helper's question to them."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from node_helper.facts import dns
from node_helper.kernel import Netns
from node_helper.linux import Linux, netns
from tests.kernel.pod_and_node import FAR

NAME = "hello-world.default.svc.cluster.local"
Serve = Callable[[bytes], list[bytes]]


@contextmanager
def udp_server(where: Netns, address: str, serve: Serve, *, through: socket.socket | None = None) -> Iterator[int]:
    """A DNS server that answers each question with any number of datagrams, from its own socket or another."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    talk = netns.inside(where, lambda: socket.socket(family, socket.SOCK_DGRAM))
    talk.bind((address, 0))

    def run() -> None:
        while True:
            asked, sender = talk.recvfrom(4096)
            if asked == b"end":
                return
            for answer in serve(asked):
                (through or talk).sendto(answer, sender)

    with talk, _thread(run):
        yield talk.getsockname()[1]
        with netns.inside(where, lambda: socket.socket(family, socket.SOCK_DGRAM)) as end:
            end.sendto(b"end", talk.getsockname()[:2])


@contextmanager
def tcp_server(where: Netns, port: int, serve: Serve) -> Iterator[int]:
    """A DNS server over TCP that answers one connection with any bytes, then hangs up."""
    listening = netns.inside(where, socket.socket)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((FAR, port))
    listening.listen()

    def run() -> None:
        talk, _ = listening.accept()
        with talk:
            for answer in serve(talk.recv(4096)[2:]):
                talk.sendall(answer)

    with listening, _thread(run):
        yield listening.getsockname()[1]


@contextmanager
def _thread(work: Callable[[], None]) -> Iterator[None]:
    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join()


def answer(asked: bytes, *, flags: int = 0x8580, records: int = 1) -> bytes:
    record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 5, 4) + bytes([10, 96, 1, 2])
    return asked[:2] + struct.pack("!5H", flags, 1, records, 0, 0) + asked[12:-11] + record * records


def ask(kernel: Linux, pod: Netns, port: int, **more: Any) -> dns.DnsAnswer:
    return dns.collect(kernel, dns.Query(pod, **{"server": FAR, "name": NAME, "seconds": 2.0, "port": port, **more}))
