"""What an OpenSSH configuration and known_hosts may hold: followed, or refused in words that name it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncssh
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_helper.protocol import CannotLook
from tests.leftovers import processes_with
from tests.unit.ssh_server import KEY, SshServer
from workers.ssh import keys as ssh_keys
from workers.ssh.connect import Ssh
from workers.ssh.options import SshSettings
from workers.ssh.route import route

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LOCKED = """-----BEGIN OPENSSH PRIVATE KEY-----
{}
-----END OPENSSH PRIVATE KEY-----
"""


@pytest.fixture
async def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SshServer]:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    server = SshServer(tmp_path, ("/bin/sh", "-c", "echo reached; cat"))
    await server.start()
    yield server
    await server.aclose()


async def reached(server: SshServer) -> bytes:
    session = await Ssh(SshSettings(config=(server.config,))).start("n1")
    try:
        return await session.read()
    finally:
        await session.aclose()


async def refused(server: SshServer) -> CannotLook:
    with pytest.raises(CannotLook) as said:
        await reached(server)
    assert said.value.fix
    return said.value


def known_hosts(server: SshServer, *lines: str) -> None:
    (server.folder / "known_hosts").write_text("\n".join(lines) + "\n")


def public(key: Any) -> str:
    return str(key.export_public_key().decode().strip())


def hashed(name: str) -> str:
    """As `ssh-keygen -H` writes it."""
    salt = os.urandom(20)
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


async def test_hashed_names_in_known_hosts_are_found(server: SshServer) -> None:
    known_hosts(
        server, f"{hashed('other')} {public(asyncssh.generate_private_key(KEY))}", f"{hashed('n1')} {public(server.host_key)}"
    )
    assert await reached(server) == b"reached\n"


async def test_a_changed_key_under_a_hashed_name_is_called_that(server: SshServer) -> None:
    known_hosts(server, f"{hashed('n1')} {public(asyncssh.generate_private_key(KEY))}")
    assert "n1: its host key CHANGED" in (await refused(server)).reason


async def test_a_revoked_host_key_is_called_that_even_where_it_is_known(server: SshServer) -> None:
    known_hosts(server, f"n1 {public(server.host_key)}", f"@revoked * {public(server.host_key)}")
    said = await refused(server)
    assert (said.kind, "REVOKED" in said.reason, "known_hosts" in said.fix) == ("host-key", True, True)


async def test_a_revoked_host_ca_vouches_for_nobody(server: SshServer) -> None:
    ca = asyncssh.generate_private_key(KEY)
    await server.aclose()
    server.certificate = ca.generate_host_certificate(server.host_key, "n1", principals=["n1"])
    server.port = 0
    (server.folder / "authorized").unlink()
    await server.start()
    known_hosts(server, f"@cert-authority * {public(ca)}", f"@revoked * {public(ca)}")
    assert "REVOKED" in (await refused(server)).reason


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("RevokedHostKeys", "/etc/ssh/revoked"),
        ("KnownHostsCommand", "/usr/bin/keys %H"),
        ("BindInterface", "eth0"),
        ("ProxyUseFdpass", "yes"),
        ("RequiredRSASize", "4096"),
    ],
)
async def test_what_decides_whom_to_trust_and_cannot_be_followed_is_refused(server: SshServer, keyword: str, value: str) -> None:
    server.configure(**{keyword: value})
    said = await refused(server)
    assert (keyword.lower() in said.reason, server.asked) == (True, [])


async def test_a_keyword_that_does_not_exist_is_refused_as_openssh_does(server: SshServer) -> None:
    server.configure(IdentiyFile="/etc/key")
    said = await refused(server)
    assert "'identiyfile' in the SSH configuration is no keyword of OpenSSH's" in said.reason
    server.configure(IgnoreUnknown="Identiy*,UseKeychain", IdentiyFile="/etc/key")
    assert await reached(server) == b"reached\n"


async def test_keywords_of_interactive_sessions_and_of_other_hosts_do_no_harm(server: SshServer) -> None:
    server.configure(ControlMaster="auto", ControlPath="~/.ssh/%C", StrictHostKeyChecking="no", HashKnownHosts="yes")
    text = server.config.read_text()
    server.config.write_text(f"Host other\n    BindInterface eth0\n{text}Match originalhost other\n    RevokedHostKeys /etc/x\n")
    assert await reached(server) == b"reached\n"


async def test_strict_host_key_checking_off_is_not_followed(server: SshServer) -> None:
    server.configure(StrictHostKeyChecking="no")
    known_hosts(server)
    assert "is not known" in (await refused(server)).reason


@pytest.mark.parametrize("line", ["Match sessiontype exec", "Match nonsense x", "Port many", "Host"])
async def test_a_line_that_cannot_be_read_is_named(server: SshServer, line: str) -> None:
    server.config.write_text(f"{server.config.read_text()}{line}\n")
    said = await refused(server)
    assert ("line" in said.reason, "NETCHECK_SSH_CONFIG" in said.fix) == (True, True)


async def test_include_and_match_count_as_they_stand(server: SshServer) -> None:
    included = server.folder / "included"
    included.write_text(server.config.read_text())
    server.config.write_text(
        "Match originalhost n2\n    Port 1\nMatch host n1 user nobody\n    Port 2\n"
        f"Match all\nInclude {included}\nHost *\n    Port 3\n"
    )
    assert await reached(server) == b"reached\n"


async def test_a_proxy_command_leads_to_the_node_which_is_still_verified(server: SshServer) -> None:
    relay = (
        "import socket, sys, threading, os\\n"
        "s = socket.create_connection((sys.argv[1], int(sys.argv[2])))\\n"
        "def out():\\n"
        "    while data := s.recv(65536): os.write(1, data)\\n"
        "threading.Thread(target=out, daemon=True).start()\\n"
        "while data := os.read(0, 65536): s.sendall(data)\\n"
    )
    (server.folder / "relay.py").write_text(relay.replace("\\n", "\n"))
    server.configure(ProxyCommand=f"/usr/bin/env python3 {server.folder}/relay.py %h %p")
    assert await reached(server) == b"reached\n"
    known_hosts(server)
    assert "is not known" in (await refused(server)).reason
    await ended(f"{server.folder}/relay.py")


async def ended(program: str) -> None:
    """It ends with its connection; the loop is told a moment later, and must be there to hear it."""
    async with asyncio.timeout(30):
        while processes_with(program):  # noqa: ASYNC110  (other processes)
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.2)


async def test_jump_hosts_that_lead_in_a_circle_are_said_so(server: SshServer) -> None:
    server.configure(ProxyJump="one")
    server.config.write_text(server.config.read_text() + "Host one\n    ProxyJump two\nHost two\n    ProxyJump one\n")
    said = await refused(server)
    assert said.reason.startswith("n1: its jump hosts lead on and on: ")
    assert "ProxyJump none" in said.fix


@pytest.mark.parametrize(
    ("jump", "user", "port"),
    [("j", "root", 22), ("me@j:2222", "me", 2222), ("ssh://me@[::1]:2222", "me", 2222), ("j:2222", "root", 2222)],
)
async def test_a_jump_host_is_named_as_openssh_names_it(server: SshServer, jump: str, user: str, port: int) -> None:
    server.configure(ProxyJump=jump)
    server.config.write_text(server.config.read_text() + "Host *\n    User root\n")
    hop, node = await route("n1", SshSettings(config=(server.config,)))
    used = await asyncssh.SSHClientConnectionOptions.construct(host=hop.host, **hop.options)
    assert (used.username, used.port, node.host, node.named.port) == (user, port, "n1", server.port)


@pytest.mark.parametrize("jump", ["Bastion", "ssh://ops@Bastion:22", "ops@Bastion"])
async def test_the_capitals_of_a_jump_host_choose_its_part_of_the_configuration(server: SshServer, jump: str) -> None:
    server.configure(ProxyJump=jump)
    server.config.write_text(server.config.read_text() + "Host Bastion\n    HostName 192.0.2.1\n")
    hop, _ = await route("n1", SshSettings(config=(server.config,)))
    assert (hop.host, hop.named.host) == ("Bastion", "192.0.2.1")


@pytest.mark.parametrize("jump", ["j:many", "j:99999", "[::1"])
async def test_what_names_no_jump_host_is_refused(server: SshServer, jump: str) -> None:
    server.configure(ProxyJump=jump)
    assert "jump host" in (await refused(server)).reason


async def test_a_worker_without_any_key_is_told_so(server: SshServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(server.folder))
    server.configure(IdentityFile="none")
    said = await refused(server)
    assert (said.kind, "the worker has no key to offer" in said.reason) == ("denied", True)


@given(st.binary(max_size=300))
def test_no_bytes_are_more_than_a_key_without_a_clear_part(data: bytes) -> None:
    for text in (data, LOCKED.format(base64.b64encode(b"openssh-key-v1\0" + data).decode()).encode()):
        found = ssh_keys.clear_part(text)
        assert found is None or found in data


def test_a_locked_key_shows_its_public_half() -> None:
    public_data = asyncssh.generate_private_key(KEY).public_data
    words = [b"aes256-ctr", b"bcrypt", b"salt and rounds"]
    body = b"openssh-key-v1\0" + b"".join(len(word).to_bytes(4, "big") + word for word in words)
    body += (1).to_bytes(4, "big") + len(public_data).to_bytes(4, "big") + public_data + b"secret"
    assert ssh_keys.clear_part(LOCKED.format(base64.encodebytes(body).decode()).encode()) == public_data
