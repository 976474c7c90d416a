"""Installing the helper on a node: the same result however often, exactly what the README says, and gone again."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

import deploy
from node_helper import known
from node_helper.changes.installed import Identity, identity, why_not
from node_helper.changes.paths import Paths

SCRIPT = Path(deploy.__file__).parent / "node/install.sh"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0000000000000000000000000000000000000000 netcheck"


def install(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"DESTDIR": str(root), "PATH": "/usr/local/bin:/usr/bin:/bin"}
    return subprocess.run(["/bin/sh", str(SCRIPT), *arguments], env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def key(tmp_path: Path) -> str:
    path = tmp_path / "key.pub"
    path.write_text(KEY + "\n")
    return str(path)


def listing(root: Path) -> dict[str, tuple[int, bytes]]:
    return {str(p.relative_to(root)): (p.stat().st_mode, p.read_bytes() if p.is_file() else b"") for p in root.rglob("*")}


def test_installing_twice_is_installing_once(tmp_path: Path, key: str) -> None:
    root = tmp_path / "node"
    assert install(root, key).returncode == 0
    first = listing(root)
    done = install(root, key)
    assert (done.returncode, listing(root)) == (0, first)


def test_the_key_can_start_the_helper_and_nothing_else(tmp_path: Path, key: str) -> None:
    root = tmp_path / "node"
    install(root, key)
    keys = (root / "var/lib/netcheck/.ssh/authorized_keys").read_text()
    assert keys == f'restrict,command="sudo -n /usr/local/lib/netcheck/node-helper serve" {KEY}\n'
    sudoers = root / "etc/sudoers.d/netcheck"
    assert sudoers.read_text() == "netcheck ALL=(root) NOPASSWD: /usr/local/lib/netcheck/node-helper serve\n"
    assert sudoers.stat().st_mode & 0o777 == 0o440


def test_what_the_user_left_in_its_home_is_not_followed(tmp_path: Path, key: str) -> None:
    root, elsewhere = tmp_path / "node", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (root / "var/lib/netcheck").mkdir(parents=True)
    (root / "var/lib/netcheck/.ssh").symlink_to(elsewhere)
    assert install(root, key).returncode == 0
    assert not list(elsewhere.iterdir())
    assert (root / "var/lib/netcheck/.ssh/authorized_keys").is_file()


def test_what_is_installed_knows_every_fact_and_deed_and_nobody_else_may_write_it(tmp_path: Path, key: str) -> None:
    root = tmp_path / "node"
    install(root, key)
    folder = root / "usr/local/lib/netcheck"
    schemas = json.loads((folder / "node_helper/schemas.json").read_text())
    assert schemas == {name: fact.schema for name, fact in known.everything().items()}
    assert not any(path.stat().st_mode & 0o022 for path in [folder, *folder.rglob("*")])
    assert list(folder.rglob("__pycache__"))
    launcher = (folder / "node-helper").read_text().replace("/usr/local/lib/netcheck", str(folder))
    (tmp_path / "launcher").write_text(launcher)
    python = launcher.split()[0].removeprefix("#!")
    said = subprocess.run(
        [python, "-ISB", str(tmp_path / "launcher"), "serve"], input="", capture_output=True, text=True, check=True
    )
    assert json.loads(said.stdout)["hello"]["installed"] is True


def test_removing_leaves_nothing(tmp_path: Path, key: str) -> None:
    root = tmp_path / "node"
    install(root, key)
    assert install(root, "remove").returncode == 0
    assert [path for path in root.rglob("*") if not path.is_dir() or "netcheck" in path.name] == []


@pytest.mark.parametrize("text", ["", "hello", 'command="sh" ssh-ed25519 AAAA', KEY + "\n" + KEY, f"{KEY}\nssh-rsa AAAA x"])
def test_what_is_not_one_key_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key.pub"
    path.write_text(text)
    done = install(tmp_path / "node", str(path))
    assert done.returncode != 0
    assert done.stderr
    assert not (tmp_path / "node").exists()


def test_without_a_key_it_says_how_it_is_called(tmp_path: Path) -> None:
    done = install(tmp_path / "node")
    assert done.returncode != 0
    assert "usage" in done.stderr


SIGNERS = f'approver@netcheck namespaces="netcheck" {KEY}\n'
NAMED = ("--cluster", "lab", "--node", "node-a")


@pytest.fixture
def signers(tmp_path: Path) -> str:
    path = tmp_path / "signers"
    path.write_text(SIGNERS)
    return str(path)


def test_a_node_is_changed_only_where_that_was_asked_for(tmp_path: Path, key: str, signers: str) -> None:
    root = tmp_path / "node"
    paths = Paths(str(root), os.getuid())
    assert install(root, key).returncode == 0
    assert "looked at only" in why_not(paths, installed=True)
    done = install(root, key, "--changes", signers, *NAMED)
    assert "what approver@netcheck signs for node-a of lab" in done.stdout
    assert why_not(paths, installed=True) == ""
    assert identity(paths) == Identity("lab", "node-a")
    assert Path(paths.signers).read_text() == SIGNERS
    assert Path(paths.state).stat().st_mode & 0o777 == 0o700
    first = listing(root)
    install(root, key, "--changes", signers, *NAMED)
    assert listing(root) == first
    assert install(root, key).returncode == 0
    assert "looked at only" in why_not(paths, installed=True)


def test_removing_takes_away_who_may_approve_and_the_journal(tmp_path: Path, key: str, signers: str) -> None:
    root = tmp_path / "node"
    install(root, key, "--changes", signers, *NAMED)
    assert install(root, "remove").returncode == 0
    assert [path for path in root.rglob("*") if not path.is_dir() or "netcheck" in path.name] == []


def test_removing_leaves_what_will_still_put_a_setting_back(tmp_path: Path, key: str, signers: str) -> None:
    root = tmp_path / "node"
    install(root, key, "--changes", signers, *NAMED)
    armed = Path(Paths(str(root)).undo("1" * 32))
    armed.mkdir()
    done = install(root, "remove")
    assert (done.returncode, armed.exists()) == (0, True)
    assert "will still be put back" in done.stderr
    assert not (root / "etc/netcheck").exists()


@pytest.mark.parametrize(
    "options",
    [
        ("--changes", "SIGNERS"),
        ("--changes", "SIGNERS", "--cluster", "lab"),
        NAMED,
        ("--changes", "SIGNERS", "--cluster", 'x", "y', "--node", "node-a"),
        ("--changes", "SIGNERS", "--cluster", "lab", "--node", ""),
        ("--changes", "KEY", *NAMED),
        ("--changes", "/nowhere", *NAMED),
        ("--changes",),
        ("--more", "x"),
    ],
)
def test_half_an_answer_to_who_may_approve_is_refused(tmp_path: Path, key: str, signers: str, options: tuple[str, ...]) -> None:
    words = [{"SIGNERS": signers, "KEY": key}.get(word, word) for word in options]
    done = install(tmp_path / "node", key, *words)
    assert done.returncode != 0
    assert done.stderr
    assert not (tmp_path / "node").exists()
