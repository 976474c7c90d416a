"""An SSH server on loopback whose sessions run a program here: the other end of the worker's SSH, with keys that tests choose."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh

KEY = "ssh-ed25519"


@dataclass
class SshServer:
    """`argv` runs whatever command was asked for, as a forced command does; without it the asked command runs in a shell."""

    folder: Path
    argv: tuple[str, ...] = ()
    host_key: Any = field(default_factory=lambda: asyncssh.generate_private_key(KEY))
    certificate: Any = None
    asked: list[str | None] = field(default_factory=list)
    connections: list[Any] = field(default_factory=list)
    port: int = 0

    async def start(self) -> None:
        client = asyncssh.generate_private_key(KEY)
        client.write_private_key(str(self.folder / "client"))
        client.write_public_key(str(self.folder / "authorized"))
        keys = (self.host_key, self.certificate) if self.certificate else self.host_key
        self._acceptor = await asyncssh.listen(
            "127.0.0.1",
            self.port,
            server_host_keys=[keys],
            authorized_client_keys=str(self.folder / "authorized"),
            process_factory=self._serve,
            encoding=None,
        )
        self.port = self._acceptor.get_port()
        self.trust(self.host_key)
        self.configure()

    def trust(self, key: Any) -> None:
        """Make this the only key on record."""
        public = key.export_public_key().decode().strip()
        (self.folder / "known_hosts").write_text(f"n1 {public}\n")

    def trust_ca(self, key: Any) -> None:
        public = key.export_public_key().decode().strip()
        (self.folder / "known_hosts").write_text(f"@cert-authority * {public}\n")

    def configure(self, **more: str) -> None:
        """Write the OpenSSH client configuration for node n1."""
        options = {
            "HostName": "127.0.0.1",
            "Port": str(self.port),
            "User": "root",
            "HostKeyAlias": "n1",
            "IdentityFile": str(self.folder / "client"),
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": str(self.folder / "known_hosts"),
            **more,
        }
        lines = [f"    {name} {value}" for name, value in options.items()]
        self.config.write_text("Host n1\n" + "\n".join(lines) + "\n")

    @property
    def config(self) -> Path:
        return self.folder / "config"

    async def drop(self) -> None:
        """Cut every connection, as a network does."""
        for connection in self.connections:
            connection.abort()
        self.connections.clear()

    async def aclose(self) -> None:
        await self.drop()
        self._acceptor.close()
        await self._acceptor.wait_closed()

    async def _serve(self, process: Any) -> None:
        self.asked.append(process.command)
        self.connections.append(process.get_extra_info("connection"))
        argv = self.argv or ("/bin/sh", "-c", process.command)
        pipe = asyncio.subprocess.PIPE
        child = await asyncio.create_subprocess_exec(*argv, stdin=pipe, stdout=pipe, stderr=pipe)
        feeding = asyncio.create_task(_pump(process.stdin, child.stdin))
        try:
            await asyncio.gather(_pump(child.stdout, process.stdout), _pump(child.stderr, process.stderr))
            with contextlib.suppress(OSError):
                process.exit(await child.wait())
        finally:
            feeding.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await feeding
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()


async def _pump(source: Any, sink: Any) -> None:
    """Until either end is gone."""
    with contextlib.suppress(asyncssh.Error, OSError):
        while data := await source.read(1 << 16):
            sink.write(data)
            await sink.drain()
    if isinstance(sink, asyncio.StreamWriter):
        sink.close()
