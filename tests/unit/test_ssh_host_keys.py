"""Who a node is is verified before anything is asked: known keys, host CAs, and what turns verification off."""

from __future__ import annotations

from typing import Any

import asyncssh
import pytest

from tests.unit.over_ssh import echo, refused
from tests.unit.ssh_server import KEY, SshServer
from workers.nodes.nodes import Nodes


async def test_a_changed_host_key_is_called_that(ssh_nodes: Nodes, ssh_server: SshServer) -> None:
    ssh_server.trust(other := asyncssh.generate_private_key(KEY))
    said = await refused(ssh_nodes)
    assert said.kind == "host-key"
    assert "n1: its host key CHANGED" in said.reason
    assert ssh_server.host_key.get_fingerprint() in said.reason
    assert other.get_fingerprint() in said.reason
    assert "known_hosts" in said.fix


async def test_an_unknown_host_key_is_called_that(ssh_nodes: Nodes, ssh_server: SshServer) -> None:
    (ssh_server.folder / "known_hosts").write_text("")
    said = await refused(ssh_nodes)
    assert said.kind == "host-key"
    assert f"its host key {ssh_server.host_key.get_fingerprint()} is not known" in said.reason


async def test_a_configuration_that_verifies_nothing_is_refused(ssh_nodes: Nodes, ssh_server: SshServer) -> None:
    ssh_server.configure(UserKnownHostsFile="none")
    said = await refused(ssh_nodes)
    assert said.kind == "host-key"
    assert ssh_server.asked == []


async def test_a_jump_host_that_is_not_verified_is_refused(ssh_nodes: Nodes, ssh_server: SshServer) -> None:
    ssh_server.configure(ProxyJump="jump")
    ssh_server.config.write_text(ssh_server.config.read_text() + "Host jump\n    UserKnownHostsFile none\n")
    assert "jump: the SSH configuration turns host key verification off" in (await refused(ssh_nodes)).reason


@pytest.fixture
def ca() -> Any:
    return asyncssh.generate_private_key(KEY)


async def certified(ssh_server: SshServer, ca: Any, **validity: Any) -> None:
    await ssh_server.aclose()
    ssh_server.certificate = ca.generate_host_certificate(ssh_server.host_key, "n1", principals=["n1"], **validity)
    ssh_server.port = 0
    (ssh_server.folder / "authorized").unlink()
    await ssh_server.start()


async def test_a_host_ca_vouches_for_its_nodes(ssh_nodes: Nodes, ssh_server: SshServer, ca: Any) -> None:
    await certified(ssh_server, ca)
    ssh_server.trust_ca(ca)
    assert await echo(ssh_nodes) == "hello"


async def test_a_certificate_of_another_ca_is_refused(ssh_nodes: Nodes, ssh_server: SshServer, ca: Any) -> None:
    await certified(ssh_server, asyncssh.generate_private_key(KEY))
    ssh_server.trust_ca(ca)
    said = await refused(ssh_nodes)
    assert said.kind == "host-key"
    assert "which is not a host CA" in said.reason


async def test_a_key_without_the_certificate_that_is_known_is_called_changed(
    ssh_nodes: Nodes, ssh_server: SshServer, ca: Any
) -> None:
    ssh_server.trust_ca(ca)
    said = await refused(ssh_nodes)
    assert said.kind == "host-key"
    assert "n1: its host key CHANGED, or lost its certificate" in said.reason
    assert ssh_server.host_key.get_fingerprint() in said.reason
    assert f"is not signed by the host CA {ca.get_fingerprint()}" in said.reason


async def test_an_expired_certificate_is_refused(ssh_nodes: Nodes, ssh_server: SshServer, ca: Any) -> None:
    await certified(ssh_server, ca, valid_after="20200101", valid_before="20200102")
    ssh_server.trust_ca(ca)
    said = await refused(ssh_nodes)
    assert said.kind == "host-key"
    assert "expired" in said.reason
