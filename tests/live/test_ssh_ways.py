"""Jump hosts, certificates, agents, users, ports and sudo through the lab's real sshd: what works, and how a refusal is said."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
import pytest

from deploy.lab import helper, packages, sshd
from deploy.lab.lab import Lab
from deploy.lab.packages import Packages
from node_helper.protocol import CannotLook
from node_helper.wire import Hello
from tests.live.ssh_ways import Ways, opened
from workers.nodes.nodes import Nodes

pytestmark = pytest.mark.live
KEY = "ssh-ed25519"
TO_NODE_ONE = 'permitopen="10.199.0.11:22",permitopen="10.199.0.11:9",permitopen="10.199.0.12:2201"'
SUDO = Packages("sudo", ("sudo",), ("/usr/bin/sudo", "/usr/libexec/sudo/sudoers.so"))
SUDOERS = f"netcheck ALL=(root) NOPASSWD: {helper.COMMAND}\n"  # deploy/node/install.sh


@pytest.fixture(scope="module")
def ways(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ways]:
    with opened(lab, tmp_path_factory.mktemp("ways")) as ways:
        yield ways


@asynccontextmanager
async def asked(nodes: Nodes) -> AsyncIterator[Nodes]:
    try:
        yield nodes
    finally:
        await nodes.aclose()


async def hello(nodes: Nodes, node: str = "node-one") -> Hello:
    async with asked(nodes):
        return await nodes.hello(node)


async def refused(nodes: Nodes, node: str = "node-one") -> CannotLook:
    with pytest.raises(CannotLook) as said:
        await hello(nodes, node)
    assert said.value.fix
    return said.value


@pytest.fixture(scope="module")
def bastion(ways: Ways) -> int:
    return ways.listen("node-two", 2201, f'restrict,port-forwarding,{TO_NODE_ONE},command="/bin/false" {ways.public}')


def behind(ways: Ways, jump: str, **more: object) -> dict[str, object]:
    return ways.options("node-one", HostName="10.199.0.11", ProxyJump=jump, **more)


async def test_a_node_behind_a_jump_host_answers(ways: Ways, bastion: int) -> None:
    nodes = ways.nodes({"node-one": behind(ways, "bastion"), "bastion": ways.options("node-two", Port=bastion)})
    assert (await hello(nodes)).hostname == "node-one"
    sessions = ["pgrep", "--full", "sshd: root@notty"]
    assert not ways.lab.nodes["node-two"].run(sessions, check=False).stdout  # the way ends with the connection


async def test_jump_hosts_follow_each_other_and_may_have_their_own(ways: Ways, bastion: int) -> None:
    inner = ways.options("node-two", HostName="10.199.0.12", Port=2201)
    outer = ways.options("node-two", Port=bastion, User=None)
    listed = {"node-one": behind(ways, "root@bastion,inner"), "inner": inner, "bastion": outer}
    assert (await hello(ways.nodes(listed))).hostname == "node-one"
    own = {"node-one": behind(ways, "inner"), "inner": inner | {"ProxyJump": f"root@bastion:{bastion}"}, "bastion": outer}
    assert (await hello(ways.nodes(own))).hostname == "node-one"


async def test_each_host_on_the_way_is_verified(ways: Ways, bastion: int) -> None:
    stranger = ways.folder / "stranger"
    stranger.write_text(f"node-two {asyncssh.generate_private_key(KEY).export_public_key().decode()}")
    jump = ways.options("node-two", Port=bastion, UserKnownHostsFile=stranger)
    said = await refused(ways.nodes({"node-one": behind(ways, "bastion"), "bastion": jump}))
    assert said.kind == "host-key"
    assert said.reason.startswith("node-one: jump host bastion: its host key CHANGED")


async def test_a_jump_host_that_does_not_know_the_key_is_named(ways: Ways, bastion: int) -> None:
    asyncssh.generate_private_key(KEY).write_private_key(str(ways.folder / "other"))
    jump = ways.options("node-two", Port=bastion, IdentityFile=ways.folder / "other")
    said = await refused(ways.nodes({"node-one": behind(ways, "bastion"), "bastion": jump}))
    assert (said.kind, said.reason.split(" (")[0]) == (
        "denied",
        "node-one: jump host bastion: it accepts none of the worker's keys",
    )
    assert "permitopen" in said.fix


async def test_a_jump_host_that_is_down_is_named(ways: Ways) -> None:
    hosts = {"node-one": behind(ways, "bastion"), "bastion": ways.options("node-two", Port=1)}
    said = await refused(ways.nodes(hosts))
    assert (said.kind, said.reason.split(" (")[0]) == (
        "unreachable",
        "node-one: jump host bastion: nothing answers on its SSH port",
    )


@pytest.mark.parametrize(
    ("port", "kind", "words", "fix"),
    [(2203, "denied", "does not let us through", "permitopen"), (9, "unreachable", "does not reach it", "from the jump host")],
)
async def test_a_jump_host_that_leads_no_further(ways: Ways, bastion: int, port: int, kind: str, words: str, fix: str) -> None:
    hosts = {"node-one": behind(ways, "bastion", Port=port), "bastion": ways.options("node-two", Port=bastion)}
    said = await refused(ways.nodes(hosts))
    assert (said.kind, words in said.reason, fix in said.fix) == (kind, True, True)


@pytest.fixture(scope="module")
def user_ca(ways: Ways) -> asyncssh.SSHKey:
    ca = asyncssh.generate_private_key(KEY)
    ways.lab.nodes["node-one"].write("/etc/ssh/user-ca.pub", ca.export_public_key().decode())
    return ca


@pytest.fixture(scope="module")
def certified(ways: Ways, user_ca: asyncssh.SSHKey) -> int:
    del user_ca
    more = "TrustedUserCAKeys /etc/ssh/user-ca.pub\nPermitRootLogin forced-commands-only"
    return ways.listen("node-one", 2202, "", more)


@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        ({}, ""),
        ({"valid_after": "20200101", "valid_before": "20200102"}, "Certificate expired"),
        ({"principals": ["somebody"]}, "Certificate principal mismatch"),
    ],
    ids=["good", "expired", "of-another-user"],
)
async def test_a_user_certificate(
    ways: Ways, user_ca: asyncssh.SSHKey, certified: int, certificate: dict[str, object], words: str
) -> None:
    key = asyncssh.generate_private_key(KEY)
    key.write_private_key(str(ways.folder / "certified"))
    made = {"principals": ["root"], "force_command": helper.COMMAND, **certificate}
    user_ca.generate_user_certificate(key, "worker", **made).write_certificate(str(ways.folder / "by-the-ca.pub"))
    named = {"IdentityFile": ways.folder / "certified", "CertificateFile": ways.folder / "by-the-ca.pub"}
    nodes = ways.nodes({"node-one": ways.options("node-one", Port=certified, **named)})
    if not words:
        assert (await hello(nodes)).root
        return
    said = await refused(nodes)
    assert (said.kind, words in said.reason, "user CA" in said.fix) == ("denied", True, True)


@pytest.fixture
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("agent") / "a"
    argv = packages.prepare(print).argv(["ssh-agent", "-D", "-a", str(path)])
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert str(path) in process.stdout.readline()
        yield path
        process.terminate()


async def hold(agent: Path, *keys: asyncssh.SSHKey) -> None:
    async with asyncssh.connect_agent(str(agent)) as client:
        await client.add_keys(list(keys))


def locked(ways: Ways) -> Path:
    path = ways.folder / "locked"
    path.touch(mode=0o600)
    path.write_bytes(sshd.Access.of(ways.lab.folder / "ssh").identity.read_bytes())
    argv = packages.prepare(print).argv(["ssh-keygen", "-q", "-p", "-a", "1", "-P", "", "-N", "secret", "-f", str(path)])
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    return path


@pytest.mark.parametrize("identities_only", ["yes", "no"])
async def test_a_locked_key_is_used_through_the_agent(
    ways: Ways, agent: Path, monkeypatch: pytest.MonkeyPatch, identities_only: str
) -> None:
    others = [asyncssh.generate_private_key(KEY) for _ in range(7 if identities_only == "yes" else 2)]  # MaxAuthTries is 6
    await hold(agent, *others, sshd.Access.of(ways.lab.folder / "ssh").client)
    named = {"IdentityFile": locked(ways), "IdentitiesOnly": identities_only}
    reached = ways.options("node-one", Port=port_of(ways.lab, "node-one"), **named)
    assert (await hello(ways.nodes({"node-one": {**reached, "IdentityAgent": agent}}))).root
    monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
    assert (await hello(ways.nodes({"node-one": reached}))).root


async def test_a_locked_key_that_no_agent_holds_is_said_so(ways: Ways, agent: Path) -> None:
    await hold(agent, asyncssh.generate_private_key(KEY))
    for where in ("none", agent, ways.folder / "no-agent"):
        named = {"IdentityFile": locked(ways), "IdentityAgent": where, "Port": port_of(ways.lab, "node-one")}
        said = await refused(ways.nodes({"node-one": ways.options("node-one", **named)}))
        assert (said.kind, "locked by a passphrase, and no ssh-agent holds it" in said.reason) == ("denied", True)
        assert "ssh-agent" in said.fix


def port_of(lab: Lab, node: str) -> int:
    block = lab.ssh_config.read_text().partition(f"Host {node}\n")[2]
    return int(block.partition("Port ")[2].split()[0])


@pytest.fixture(scope="module")
def with_sudo(ways: Ways) -> int:
    """A node as deploy/node/install.sh leaves it: a user of its own, sudo from Debian's package."""
    node = ways.lab.nodes["node-one"]
    shutil.copytree(packages.prepare(print, SUDO).usr, node.path("/usr"), symlinks=True, dirs_exist_ok=True)
    node.write("/etc/pam.d/sudo", "auth required pam_unix.so\naccount required pam_permit.so\nsession required pam_permit.so\n")
    for file, line in (("passwd", "netcheck:x:200:200::/var/lib/netcheck:/bin/sh"), ("shadow", "netcheck:*:19000:0:99999:7:::")):
        with node.path(f"/etc/{file}").open("a") as lines:
            lines.write(f"{line}\n")
    return ways.listen("node-one", 2204, f'restrict,command="sudo -n {helper.COMMAND}" {ways.public}')


def by_user(ways: Ways, port: int) -> Nodes:
    """As people write it: one block for all nodes, another for the user, one file included."""
    included = ways.folder / "included"
    included.write_text(f"Match originalhost node-*\n    User netcheck\nHost node-one\n    Port {port}\n")
    usual = ways.options("node-one", User=None)
    return ways.nodes({"node-?": usual, "node-one": usual, "*": {"User": "nobody"}}, before=f"Include {included}")


async def test_a_user_of_its_own_with_sudo_starts_the_helper_as_root(ways: Ways, with_sudo: int) -> None:
    ways.lab.nodes["node-one"].write("/etc/sudoers", SUDOERS, mode=0o440)
    said = await hello(by_user(ways, with_sudo))
    assert (said.root, said.hostname) == (True, "node-one")


@pytest.mark.parametrize("sudoers", ["netcheck ALL=(root) ALL\n", "root ALL=(ALL) ALL\n"], ids=["with-password", "not-listed"])
async def test_sudo_that_asks_for_a_password_is_refused_clearly(ways: Ways, with_sudo: int, sudoers: str) -> None:
    ways.lab.nodes["node-one"].write("/etc/sudoers", sudoers, mode=0o440)
    said = await refused(by_user(ways, with_sudo))
    assert (said.kind, said.reason.startswith("node-one: sudo asks for a password there")) == ("denied", True)
    assert "sudoers line" in said.fix
