"""OpenSSH's sshd on each node, and what a worker needs to reach it: a key that can only start the helper, and a host CA."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import asyncssh

from deploy.lab import approver, helper
from deploy.lab.forward import Forward, Place
from deploy.lab.node import Node, Site
from deploy.lab.parts import Parts
from deploy.lab.plan import NodePlan
from deploy.lab.together import together

_KEY_TYPE = "ssh-ed25519"
HOST_KEY = "/etc/ssh/ssh_host_ed25519_key"
_LOG = "sshd.log"
_IDENTITY, _KNOWN_HOSTS, _CA = "client", "known_hosts", "ca"
_HELPER = "helper"
_PORT = 22
_CONFIG = f"""Port {_PORT}
HostKey {HOST_KEY}
HostCertificate {HOST_KEY}-cert.pub
AuthorizedKeysFile /etc/ssh/authorized_keys
PermitRootLogin forced-commands-only
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
PidFile none
PrintMotd no
LogLevel VERBOSE
"""
_CLIENT = """Host {node}
    HostName 127.0.0.1
    Port {port}
    User root
    IdentityFile {identity}
    IdentitiesOnly yes
    HostKeyAlias {node}
    UserKnownHostsFile {known_hosts}
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
"""


@dataclass(frozen=True)
class Access:
    """The keys of one lab, in its folder."""

    folder: Path
    ca: asyncssh.SSHKey
    client: asyncssh.SSHKey

    @classmethod
    def create(cls, folder: Path) -> Access:
        """Make the host CA and the client's key."""
        folder.mkdir(mode=0o700)
        access = cls(folder, asyncssh.generate_private_key(_KEY_TYPE), asyncssh.generate_private_key(_KEY_TYPE))
        for path, key in ((access.identity, access.client), (folder / _CA, access.ca)):
            path.touch(mode=0o600)
            path.write_bytes(key.export_private_key())
        public = access.ca.export_public_key().decode().strip()
        access.known_hosts.write_text(f"@cert-authority * {public}\n", encoding="ascii")
        return access

    @classmethod
    def of(cls, folder: Path) -> Access:
        """Those that were made in a folder."""
        return cls(folder, asyncssh.read_private_key(folder / _CA), asyncssh.read_private_key(folder / _IDENTITY))

    @property
    def identity(self) -> Path:
        """The client's private key."""
        return self.folder / _IDENTITY

    @property
    def known_hosts(self) -> Path:
        """Trusts every host key that the lab's CA signed, and no other."""
        return self.folder / _KNOWN_HOSTS

    def write_config(self, ports: Mapping[str, int]) -> Path:
        """The OpenSSH client configuration with which ``ssh -F`` reaches the nodes by name."""
        path = self.folder / "ssh_config"
        path.write_text("".join(self.entry(node, port) for node, port in ports.items()), encoding="utf-8")
        return path

    def entry(self, node: str, port: int) -> str:
        """A node's part of that configuration."""
        return _CLIENT.format(node=node, port=port, identity=self.identity, known_hosts=self.known_hosts)


def open_one(node: Node, access: Access, folder: Path) -> None:
    """Give the node the helper of the lab in that folder, its host key and certificate and the authorized key, and start sshd."""
    helper.install(node, folder / _HELPER)
    approver.allow(node, folder)
    certificate = access.ca.generate_host_certificate(new_host_key(node), node.name, principals=[node.name])
    node.write(f"{HOST_KEY}-cert.pub", certificate.export_certificate().decode())
    node.write("/etc/ssh/sshd_config", _CONFIG)
    public = access.client.export_public_key().decode()
    node.write("/etc/ssh/authorized_keys", f'restrict,command="{helper.COMMAND}" {public}')
    start(node)


def open_all(nodes: Mapping[NodePlan, Node], fabric: Node, site: Site, parts: Parts) -> Path:
    """Start sshd on every node, with the helper behind it; the answer is the client's configuration."""
    helper.build(site.tools, site.folder / _HELPER)
    approver.create(site.folder)
    access = Access.create(site.folder / "ssh")
    here = Place(None, "127.0.0.1", 0)
    ports = {plan.name: parts.opened(Forward(here, Place(fabric.pid, plan.address, _PORT))).port for plan in nodes}
    together(partial(open_one, node, access, site.folder) for node in nodes.values())
    return access.write_config(ports)


def start(node: Node) -> None:
    """Start sshd with the keys that the node has, and wait until it listens."""
    node.daemon(["/usr/sbin/sshd", "-D", "-e"], _LOG, lambda: "Server listening" in node.log(_LOG))


def stop(node: Node) -> None:
    """End sshd and every session of it."""
    node.run(["pkill", "-KILL", "-x", "sshd"])


def new_host_key(node: Node) -> asyncssh.SSHKey:
    """Give the node another host key, without a certificate."""
    key = asyncssh.generate_private_key(_KEY_TYPE)
    node.write(HOST_KEY, key.export_private_key().decode(), mode=0o600)
    return key
