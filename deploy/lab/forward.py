"""A loopback port of this machine that leads to a TCP service inside a network namespace.

The port is bound in the machine's namespace, then the process enters the other one to connect from there: a socket
stays in the namespace it was made in. Started with this file as a script, so it uses the standard library only.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import socket
import subprocess
import sys
from pathlib import Path

_CLONE_NEWNET = 0x40000000  # linux/sched.h
_CHUNK = 65536


class Forward:
    """A running forwarder; it ends when it is closed, or when the process that made it dies."""

    def __init__(self, pid: int, host: str, port: int) -> None:
        """Lead to ``host:port`` as the process ``pid`` would reach it."""
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, str(pid), host, str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            cwd="/",
        )
        stdout = self._process.stdout
        self.port = int(stdout.readline()) if stdout is not None else 0

    @property
    def address(self) -> str:
        """``host:port`` on this machine."""
        return f"127.0.0.1:{self.port}"

    def close(self) -> None:
        """End it, and every connection through it."""
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._process.wait()


async def _main(pid: str, host: str, port: str) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    _enter(pid)
    server = await asyncio.start_server(lambda r, w: _connect(r, w, host, int(port)), sock=listener)
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    async with server:
        await asyncio.to_thread(sys.stdin.read)  # until the owner closes it or dies
        os._exit(0)


def _enter(pid: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    with Path(f"/proc/{pid}/ns/net").open() as namespace:
        if libc.setns(namespace.fileno(), _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter the network namespace of {pid}")


async def _connect(near: asyncio.StreamReader, back: asyncio.StreamWriter, host: str, port: int) -> None:
    try:
        far, out = await asyncio.open_connection(host, port)
    except OSError:
        back.close()
        return
    await asyncio.gather(_pump(near, out), _pump(far, back))
    for stream in (out, back):
        stream.close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(_CHUNK):
            sink.write(data)
            await sink.drain()
        sink.write_eof()
    except OSError:
        with contextlib.suppress(OSError):
            sink.close()


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
