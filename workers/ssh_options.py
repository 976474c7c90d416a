"""What asyncssh is told for one node: the OpenSSH configuration as it stands, and what is never left to it.

Nobody answers questions here, nothing of the worker is forwarded to a node, and every host on the way is verified.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import asyncssh

from workers import host_keys

_CIPHERS = "^aes128-gcm@openssh.com,aes256-gcm@openssh.com"  # a quarter of the processor time of asyncssh's chacha20
_HOST_KEYS = "+ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,rsa-sha2-512,rsa-sha2-256"
"""After those that known_hosts has: a node that shows none of these is heard, and refused for its key, not for silence."""


@dataclass(frozen=True)
class SshSettings:
    """How nodes are reached. `known_hosts`, `user` and `key` are for where the OpenSSH configuration does not name its own.

    `helper` says whether the nodes have it installed behind a forced command, or get it pushed.
    """

    config: tuple[Path, ...] = ()  # none: ~/.ssh/config
    known_hosts: Path | None = None
    user: str = ""
    key: Path | None = None
    connect_seconds: float = 10.0  # name, TCP, key exchange, login
    keepalive_seconds: float = 15.0  # a dead connection is noticed after three of these
    helper: Literal["installed", "push"] = "installed"


async def options_for(node: str, settings: SshSettings) -> dict[str, Any]:
    """The keyword arguments of `asyncssh.connect`, `known_hosts` always among them. `CannotLook` where a host is not verified."""
    options: dict[str, Any] = {
        "connect_timeout": settings.connect_seconds,
        "login_timeout": settings.connect_seconds,
        "keepalive_interval": settings.keepalive_seconds,
        "password_auth": False,
        "kbdint_auth": False,
        "agent_forwarding": False,
        "x11_forwarding": False,
    }
    if settings.config:
        options["config"] = [str(path) for path in settings.config]
    named = await asyncssh.SSHClientConnectionOptions.construct(host=node, **options)
    for host in _jumps(named):
        if (await asyncssh.SSHClientConnectionOptions.construct(host=host, **options)).known_hosts is None:
            raise host_keys.unverified(host)
    options |= {name: value for name, keyword, value in _fallbacks(settings) if value and named.config.get(keyword) is None}
    options.setdefault("known_hosts", named.known_hosts)
    if options["known_hosts"] is None:
        raise host_keys.unverified(node)
    return options


def _jumps(named: Any) -> list[str]:
    """The hosts of ProxyJump, each "user@host:port"."""
    jumps = named.tunnel.split(",") if isinstance(named.tunnel, str) else []
    return [jump.rpartition("@")[2].partition(":")[0] for jump in jumps]


def _fallbacks(settings: SshSettings) -> tuple[tuple[str, str, Any], ...]:
    """Ours, by asyncssh's name and that of the OpenSSH keyword which has precedence."""
    return (
        ("known_hosts", "UserKnownHostsFile", str(settings.known_hosts or "")),
        ("username", "User", settings.user),
        ("client_keys", "IdentityFile", [str(settings.key)] if settings.key else None),
        ("encryption_algs", "Ciphers", _CIPHERS),
        ("server_host_key_algs", "HostKeyAlgorithms", _HOST_KEYS),
    )
