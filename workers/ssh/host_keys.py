"""Whose key a node shows: always verified, and a refusal says exactly what is wrong with it.

asyncssh asks here only about keys that known_hosts does not vouch for; the answer is always no, and what was shown is kept for
the refusal.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh

from node_helper.protocol import CannotLook
from workers.nodes.no_helper import printable

_VERIFY = "compare it with what `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` prints on the node itself"


@dataclass(frozen=True)
class Shown:
    """A key that was not trusted, for the name under which it was looked up."""

    name: str
    port: int
    fingerprint: str
    by_ca: bool


class Witness(asyncssh.SSHClient):  # type: ignore[misc]  # asyncssh is untyped to mypy (pyproject)
    """Trusts nothing that known_hosts does not, and remembers what it was shown."""

    def __init__(self) -> None:
        self.shown: Shown | None = None

    def validate_host_public_key(self, host: str, addr: str, port: int, key: Any) -> bool:  # noqa: ARG002  (asyncssh's shape)
        """Refuse, and remember."""
        self.shown = Shown(host, port, key.get_fingerprint(), by_ca=False)
        return False

    def validate_host_ca_key(self, host: str, addr: str, port: int, key: Any) -> bool:  # noqa: ARG002  (asyncssh's shape)
        """Refuse, and remember."""
        self.shown = Shown(host, port, key.get_fingerprint(), by_ca=True)
        return False


def refusal(node: str, known_hosts: Any, shown: Shown | None, said: str) -> CannotLook:
    """Why the node's key was not accepted: changed, unknown, signed by another CA, or what asyncssh `said` (expired, revoked)."""
    files = _files(known_hosts)
    if shown is None and "revoked" in said:
        reason = f"{node}: it shows a host key that is REVOKED ({printable(said)})"
        fix = f"Give the node a new host key. Take the @revoked line out of {files} only if the key was never out of its hands."
        return CannotLook(reason, kind="host-key", fix=fix)
    if shown is None:
        reason = f"{node}: its host key or certificate is not valid ({printable(said)})"
        return CannotLook(reason, kind="host-key", fix=f"Renew the node's host certificate, or its line in {files}.")
    if shown.by_ca:
        reason = f"{node}: its host certificate is signed by {shown.fingerprint}, which is not a host CA of {files}"
        return CannotLook(reason, kind="host-key", fix=f"Sign the node's host key with the right CA, or add the CA to {files}.")
    keys, cas = _known(known_hosts, shown)
    if cas and not keys:
        reason = f"{node}: its host key CHANGED, or lost its certificate: {shown.fingerprint} is not signed by {cas}"
        fix = (
            f"If the node was reinstalled, {_VERIFY}, then sign it with that host CA. If it was not, somebody may be in between."
        )
        return CannotLook(reason, kind="host-key", fix=fix)
    if not keys:
        reason = f"{node}: its host key {shown.fingerprint} is not known"
        return CannotLook(reason, kind="host-key", fix=f"To trust it, {_VERIFY}, then add it to {files}.")
    reason = f"{node}: its host key CHANGED: it shows {shown.fingerprint}, known is {keys}{cas and f', {cas}'}"
    fix = f"If the node was reinstalled, {_VERIFY}, then replace its line in {files}. If it was not, somebody may be in between."
    return CannotLook(reason, kind="host-key", fix=fix)


def unverified(node: str) -> CannotLook:
    """The refusal to connect where the configuration says not to verify."""
    reason = f"{node}: the SSH configuration turns host key verification off (UserKnownHostsFile none)"
    return CannotLook(reason, kind="host-key", fix="Name a known_hosts file with the nodes' keys or their host CA there.")


def _known(known_hosts: Any, shown: Shown) -> tuple[str, str]:
    """The fingerprints of the keys and of the host CAs on record; "" for none."""
    port = shown.port if shown.port != asyncssh.DEFAULT_PORT else None
    keys, cas, *_ = asyncssh.match_known_hosts(known_hosts or str(_default()), shown.name, "", port)
    return ", ".join(key.get_fingerprint() for key in keys), ", ".join(f"the host CA {ca.get_fingerprint()}" for ca in cas)


def _files(known_hosts: Any) -> str:
    named = known_hosts if isinstance(known_hosts, list) else [known_hosts]
    return ", ".join(str(name) for name in named if name and str(name) != "/dev/null") or str(_default())


def _default() -> Path:
    return Path("~/.ssh/known_hosts").expanduser()
