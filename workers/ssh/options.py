"""What asyncssh is told for one node: the OpenSSH configuration as it stands, and what is never left to it.

Nobody answers questions here, nothing of the worker is forwarded to a node, and every host on the way is verified.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import asyncssh

from workers.ssh import host_keys
from workers.ssh import keys as ssh_keys
from workers.ssh import keywords as ssh_keywords

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


async def named_for(host: str, settings: SshSettings, given: dict[str, Any]) -> Any:
    """What the configuration comes to for a host, without our fallbacks; `given` (user, port) has precedence over it."""
    return await asyncssh.SSHClientConnectionOptions.construct(host=host, **_always(settings), **given)


def options_for(label: str, host: str, named: Any, settings: SshSettings, given: dict[str, Any]) -> dict[str, Any]:
    """The keyword arguments of `asyncssh.connect`, `known_hosts` always among them.

    `named` is of :func:`named_for`. Raises `CannotLook` where the host is not verified or the configuration cannot be followed.
    """
    ssh_keywords.refuse(label, host, named, [str(path) for path in config_files(settings)])
    options = _always(settings) | given
    options |= {name: value for name, keyword, value in _fallbacks(settings) if value and named.config.get(keyword) is None}
    options.setdefault("known_hosts", named.known_hosts)
    if options["known_hosts"] is None:
        raise host_keys.unverified(label)
    if named.config.get("IdentitiesOnly"):
        # asyncssh reads these from public key files only, and where it finds none it offers all that the agent holds
        offered = ssh_keys.identities(ssh_keys.files(named, settings.key))
        options |= {"agent_identities": offered} if offered else {"agent_path": None}
    return options


def config_files(settings: SshSettings) -> tuple[Path, ...]:
    """The OpenSSH configuration that counts."""
    usual = Path("~/.ssh/config").expanduser()
    return settings.config or ((usual,) if os.access(usual, os.R_OK) else ())


def _always(settings: SshSettings) -> dict[str, Any]:
    return {
        "config": [str(path) for path in config_files(settings)],
        "connect_timeout": settings.connect_seconds,
        "login_timeout": settings.connect_seconds,
        "keepalive_interval": settings.keepalive_seconds,
        "password_auth": False,
        "kbdint_auth": False,
        "agent_forwarding": False,
        "x11_forwarding": False,
        "ignore_encrypted": True,  # an agent may hold them
    }


def _fallbacks(settings: SshSettings) -> tuple[tuple[str, str, Any], ...]:
    """Ours, by asyncssh's name and that of the OpenSSH keyword which has precedence."""
    return (
        ("known_hosts", "UserKnownHostsFile", str(settings.known_hosts or "")),
        ("username", "User", settings.user),
        ("client_keys", "IdentityFile", [str(settings.key)] if settings.key else None),
        ("encryption_algs", "Ciphers", _CIPHERS),
        ("server_host_key_algs", "HostKeyAlgorithms", _HOST_KEYS),
    )
