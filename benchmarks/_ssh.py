"""A node with the installed helper behind OpenSSH's server, and as many names for it as somebody wants nodes."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.lab import cgroups, helper, packages, sshd
from deploy.lab.node import Node, Site
from deploy.lab.reaper import Reaper
from node_helper.kernel import Netns
from node_helper.linux import netns

_NAME = "node-one"
_HELPER_PORT, _SHELL_PORT = 2200, 2201
_SERVER = """Port {port}
HostKey {key}
HostCertificate {key}-cert.pub
AuthorizedKeysFile {keys}
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
PidFile none
MaxStartups 500
LogLevel VERBOSE
"""
_CLIENT = """Host {pattern}
    HostName 127.0.0.1
    Port {port}
    User root
    IdentityFile {identity}
    IdentitiesOnly yes
    HostKeyAlias {name}
    UserKnownHostsFile {known}
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
"""


@dataclass(frozen=True)
class Reachable:
    """A node whose helper answers on loopback inside its namespace, as `node-0` and so on; `shell` runs any command."""

    pid: int
    netns: Netns
    config: Path
    folder: Path


@contextmanager
def reachable() -> Iterator[Reachable]:
    """It ends with the block, and everything on it."""
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="ncb-"))  # a short name: paths of unix sockets end at 108 characters
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        reaper = Reaper()
        stack.callback(reaper.close)
        tools = packages.prepare(lambda _: None)
        site = Site(folder, tools, reaper, cgroups.usual(cgroups.on_this_machine()))
        node = stack.enter_context(Node(_NAME, site))
        access = sshd.Access.create(folder / "ssh")
        helper.install(node, helper.build(tools, folder / "helper"))
        certificate = access.ca.generate_host_certificate(sshd.new_host_key(node), node.name, principals=[node.name])
        node.write(f"{sshd.HOST_KEY}-cert.pub", certificate.export_certificate().decode())
        public = access.client.export_public_key().decode()
        _serve(node, _HELPER_PORT, f'restrict,command="{helper.COMMAND}" {public}')
        _serve(node, _SHELL_PORT, public)
        known = {"identity": access.identity, "known": access.known_hosts, "name": _NAME}
        config = folder / "ssh_config"
        config.write_text(
            _CLIENT.format(pattern="node-*", port=_HELPER_PORT, **known)
            + _CLIENT.format(pattern="shell", port=_SHELL_PORT, **known)
        )
        yield Reachable(node.pid, netns.of(node.pid), config, folder)


def _serve(node: Node, port: int, keys: str) -> None:
    """An sshd that takes logins all at once; the lab's drops some then."""
    named, config, log = f"/etc/ssh/keys-{port}", f"/etc/ssh/sshd_config-{port}", f"sshd-{port}.log"
    node.write(named, keys + "\n")
    node.write(config, _SERVER.format(port=port, key=sshd.HOST_KEY, keys=named))
    node.daemon(["/usr/sbin/sshd", "-D", "-e", "-f", config], log, lambda: "Server listening" in node.log(log))
