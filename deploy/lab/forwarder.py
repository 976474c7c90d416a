"""The process behind :mod:`deploy.lab.forward`; a script that uses the standard library only.

Arguments: where to listen and where to connect, each as PID (or ``self``), HOST, PORT. It prints the port that it took,
and ends at the end of standard input. A socket stays in the namespace it was made in: so the port is bound in the one,
then the process enters the other to connect from there.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

_CLONE_NEWNET = 0x40000000  # linux/sched.h
_CHUNK = 65536


async def _main(listen: Sequence[str], connect: Sequence[str]) -> None:
    with _namespace(listen[0]) as here, _namespace(connect[0]) as there:
        _enter(here.fileno())
        listener = socket.create_server((listen[1], int(listen[2])))
        _enter(there.fileno())
    host, port = connect[1], int(connect[2])
    server = await asyncio.start_server(lambda r, w: _connect(r, w, host, port), sock=listener)
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    async with server:
        await asyncio.to_thread(sys.stdin.read)  # until the owner closes it or dies
        os._exit(0)


def _namespace(pid: str) -> IO[str]:
    return Path(f"/proc/{pid}/ns/net").open()


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "cannot enter a network namespace")


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
    asyncio.run(_main(sys.argv[1:4], sys.argv[4:7]))
