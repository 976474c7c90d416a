"""Signatures over plans are OpenSSH's own, and those that cannot be made say why."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from node_helper.changes import plan as plans
from node_helper.changes.plan import Plan, Setting, Target
from tests.change_node import keygen
from workers.changes import signing

PLAN = Plan(
    version=1,
    cluster="lab",
    key="net.netfilter.nf_conntrack_max",
    approval="a1",
    nonce="0" * 32,
    issued=1767225600,
    expires=1767229200,
    hold_s=0,
    undoes="",
    targets=(Target("node-a", "a" * 32, Setting(1000, 256), Setting(2000, 256)),),
)


def made(path: Path, passphrase: str = "") -> Path:
    subprocess.run([keygen(), "-q", "-t", "ed25519", "-N", passphrase, "-f", str(path)], check=True)
    return path


def test_openssh_verifies_it_for_the_principal_and_the_namespace(tmp_path: Path) -> None:
    key = made(tmp_path / "key")
    grant = signing.sign(PLAN, key)
    assert grant.plan == plans.canonical(PLAN)
    (tmp_path / "allowed").write_text(signing.allowed((tmp_path / "key.pub").read_text()))
    (tmp_path / "signature").write_text(grant.signature)
    argv = [keygen(), "-Y", "verify", "-f", str(tmp_path / "allowed"), "-I", plans.PRINCIPAL, "-n", "netcheck"]
    argv += ["-s", str(tmp_path / "signature")]
    for text, status in ((grant.plan, 0), (grant.plan + " ", 255)):
        assert subprocess.run(argv, input=text.encode(), capture_output=True, check=False).returncode == status


@pytest.mark.parametrize("wrong", ["missing", "locked", "no key"])
def test_what_cannot_sign_says_so(tmp_path: Path, wrong: str) -> None:
    assert keygen()
    path = tmp_path / "key"
    if wrong == "locked":
        made(path, "secret")
    elif wrong == "no key":
        path.write_text("no key\n")
        path.chmod(0o600)
    with pytest.raises(signing.CannotSign, match=str(path)):
        signing.sign(PLAN, path)
