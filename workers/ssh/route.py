"""The way to a node: the jump hosts that the OpenSSH configuration names, each with its own part of it, then the node itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from node_helper.protocol import CannotLook
from workers.ssh import keys as ssh_keys
from workers.ssh.errors import translated
from workers.ssh.options import SshSettings, named_for, options_for

_MOST = 8
_CIRCLE = "Give the jump hosts ProxyJump none, or exclude them from the Host pattern that names it."


@dataclass(frozen=True)
class Hop:
    """One host to log in to: its `label` in words, `options` for asyncssh, our `keys`, and the configuration that `named` it."""

    label: str
    host: str
    options: dict[str, Any]
    keys: Sequence[Path]
    named: Any

    @property
    def is_jump(self) -> bool:
        """Whether it only leads to another."""
        return self.label != self.host

    @property
    def jumps(self) -> list[str]:
        """What its own ProxyJump says, the first to log in to first."""
        tunnel = self.named.tunnel
        return tunnel.split(",") if isinstance(tunnel, str) else []


async def route(node: str, settings: SshSettings) -> Sequence[Hop]:
    """Every host on the way, the node last. Raises `CannotLook` for what cannot be verified or followed.

    As with OpenSSH, the first of several jump hosts may have a ProxyJump of its own.
    """
    hops = [await _hop(node, node, {}, settings)]
    jumps = hops[0].jumps
    while jumps:
        *jumps, last = jumps
        hops.insert(0, await _jump(node, last, settings))
        jumps = jumps or hops[0].jumps
        if len(hops) > _MOST:
            way = " → ".join(hop.host for hop in hops)
            raise CannotLook(f"{node}: its jump hosts lead on and on: {way}", kind="unreachable", fix=_CIRCLE)
    return hops


async def _jump(node: str, said: str, settings: SshSettings) -> Hop:
    """One of ProxyJump's hosts: `[user@]host[:port]` or an ssh:// URI."""
    label = f"{node}: jump host {said.removeprefix('ssh://')}"
    with translated(label):
        parts = urlsplit(f"//{said.removeprefix('ssh://')}")
        given = {"username": parts.username, "port": parts.port}
    return await _hop(label, _host(parts.netloc), {name: value for name, value in given.items() if value}, settings)


def _host(place: str) -> str:
    """As it is written: a Host pattern tells capitals apart, and `urlsplit` does not."""
    place = place.rpartition("@")[2]
    return place[1:].partition("]")[0] if place.startswith("[") else place.partition(":")[0]


async def _hop(label: str, host: str, given: dict[str, Any], settings: SshSettings) -> Hop:
    with translated(label):
        named = await named_for(host, settings, given)
        options = options_for(label, host, named, settings, given)
        return Hop(label, host, options, ssh_keys.files(named, settings.key), named)
