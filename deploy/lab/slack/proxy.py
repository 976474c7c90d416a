"""The process in front of the Slack stand-in, and its keeper: both live in a network namespace that nothing else can enter.

The stand-in listens on all addresses, so it gets a namespace of its own. The one way in is a listener that was bound on the
machine's loopback before; the one way out, for signed HTTP deliveries, is a socket made in the machine's namespace. In front
and behind have the same port, so that every URL which the stand-in hands out leads through here. The process is PID 1 of its
namespace: when it ends, so does the stand-in; and it ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp import ClientSession, ClientTimeout, TCPConnector, web

from deploy.lab.slack.deliveries import Deliveries
from deploy.lab.slack.passing import Proxy
from deploy.lab.slack.workspace import DELIVERY_PORT

_CLONE_NEWNET = 0x40000000  # linux/sched.h
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1  # linux/sockios.h, linux/if.h
_LARGEST = 64 << 20
_START_SECONDS = 20.0


def main() -> None:
    """Serve on the inherited listener until standard input ends; prints ``ready`` when the stand-in answers."""
    said = json.loads(sys.argv[1])
    _bring_loopback_up()
    with subprocess.Popen(said["program"], stdin=subprocess.DEVNULL, stdout=sys.stderr, cwd="/") as standin:
        try:
            asyncio.run(_serve(socket.socket(fileno=said["listener"]), Outside(said["netns"])))
        finally:
            standin.kill()


class Outside:
    """Makes sockets in the machine's network namespace, in a thread that has entered it."""

    def __init__(self, netns: int) -> None:
        self._netns = netns
        self._threads = ThreadPoolExecutor(1, initializer=self._enter)

    def socket(self, address: tuple[Any, ...]) -> socket.socket:
        """What :class:`aiohttp.TCPConnector` asks for."""
        family, kind, protocol, *_ = address
        return self._threads.submit(socket.socket, family, kind, protocol).result()

    def _enter(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(self._netns, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "cannot enter the machine's network namespace")


async def _serve(front: socket.socket, outside: Outside) -> None:
    port = front.getsockname()[1]
    timeout = ClientTimeout(total=None, connect=5)
    connector = TCPConnector(socket_factory=outside.socket, force_close=True)
    async with ClientSession(timeout=timeout) as inside, ClientSession(timeout=timeout, connector=connector) as to_bot:
        deliveries = Deliveries(to_bot)
        proxy = Proxy(inside, port, deliveries)
        await _listen(proxy.handle, front)
        back = socket.create_server(("127.0.0.1", DELIVERY_PORT))
        await _listen(deliveries.handle, back)
        await _until_answers(inside, port)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)
        os._exit(0)


async def _listen(handle: Any, listener: socket.socket) -> None:
    application = web.Application(client_max_size=_LARGEST)
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.SockSite(runner, listener).start()


async def _until_answers(inside: ClientSession, port: int) -> None:
    async with asyncio.timeout(_START_SECONDS):
        while True:
            try:
                async with inside.get(f"http://127.0.0.1:{port}/_control/state"):
                    return
            except OSError:
                await asyncio.sleep(0.02)


def _bring_loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        name = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(control, _SIOCGIFFLAGS, name))[1]
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | _IFF_UP))


if __name__ == "__main__":
    main()
