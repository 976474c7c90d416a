"""More sshds on the lab's nodes, and client configurations that lead through them: SSH as people have it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.lab import sshd
from deploy.lab.forward import Forward, Place
from deploy.lab.lab import Lab
from workers.nodes.nodes import Nodes
from workers.ssh.connect import Ssh, SshSettings

ADDRESSES = {"node-one": "10.199.0.11", "node-two": "10.199.0.12"}
_CONFIG = """Port {port}
HostKey {key}
HostCertificate {key}-cert.pub
AuthorizedKeysFile {authorized}
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
PidFile none
LogLevel VERBOSE
{more}
"""


@dataclass
class Ways:
    """The lab, a folder for configurations, and what to end afterwards."""

    lab: Lab
    folder: Path
    ends: list[Callable[[], None]] = field(default_factory=list)

    @property
    def public(self) -> str:
        """The worker's public key."""
        return str(sshd.Access.of(self.lab.folder / "ssh").client.export_public_key().decode().strip())

    def listen(self, node: str, port: int, authorized: str, more: str = "") -> int:
        """Another sshd on a node; the port on loopback that leads to it."""
        there = self.lab.nodes[node]
        keys, config, log = f"/etc/ssh/keys-{port}", f"/etc/ssh/sshd_config-{port}", f"sshd-{port}.log"
        there.write(keys, authorized + "\n")
        there.write(config, _CONFIG.format(port=port, key=sshd.HOST_KEY, authorized=keys if authorized else "none", more=more))
        argv = ["/usr/sbin/sshd", "-D", "-e", "-f", config]
        self.ends.append(there.daemon(argv, log, lambda: "Server listening" in there.log(log)))
        forward = Forward(Place(None, "127.0.0.1", 0), Place(self.lab.fabric.pid, ADDRESSES[node], port))
        self.ends.append(forward.close)
        return forward.port

    def options(self, alias: str, **more: object) -> dict[str, object]:
        """What reaches a node, with changes; None takes one away."""
        access = sshd.Access.of(self.lab.folder / "ssh")
        usual = {
            "HostName": "127.0.0.1",
            "User": "root",
            "IdentityFile": access.identity,
            "IdentitiesOnly": "yes",
            "HostKeyAlias": alias,
            "UserKnownHostsFile": access.known_hosts,
        }
        return {name: value for name, value in {**usual, **more}.items() if value is not None}

    def nodes(self, hosts: Mapping[str, Mapping[str, object]], before: str = "") -> Nodes:
        """The nodes, by a configuration of these hosts."""
        return Nodes(Ssh(SshSettings(config=(self.config(hosts, before),))))

    def config(self, hosts: Mapping[str, Mapping[str, object]], before: str = "") -> Path:
        """A file with these hosts; there is one at a time."""
        path = self.folder / "config"
        blocks = ["".join([f"Host {host}\n", *(f"    {k} {v}\n" for k, v in said.items())]) for host, said in hosts.items()]
        path.write_text(before + "\n" + "".join(blocks))
        return path


@contextlib.contextmanager
def opened(lab: Lab, folder: Path) -> Iterator[Ways]:
    ways = Ways(lab, folder)
    try:
        yield ways
    finally:
        for end in reversed(ways.ends):
            end()
