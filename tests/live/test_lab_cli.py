"""`lab up | status | shell | down` as people use them, beside whatever other labs are up."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from deploy.lab.lab import Lab

pytestmark = pytest.mark.live

NAME = f"cli-{os.getpid()}"
COMMAND = [sys.executable, "-c", "from deploy.lab.cli import lab; lab()"]


def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    argv = [*COMMAND, *arguments, "--name", NAME]
    return subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def started() -> Iterator[subprocess.CompletedProcess[str]]:
    yield run("up", "--runtime", "docker")
    run("down")


def test_up_says_each_part_and_its_address(started: subprocess.CompletedProcess[str]) -> None:
    assert started.returncode == 0, started.stderr
    for part in ("node node-one: 10.199.0.11", "pod default/hello-world-", "Kubernetes API: https://127.0.0.1:", "ssh -F "):
        assert part in started.stderr
    assert f"lab {NAME} is up" in started.stderr


def test_what_it_prints_is_for_a_shell_to_evaluate(started: subprocess.CompletedProcess[str]) -> None:
    lines = started.stdout.splitlines()
    assert lines
    assert all(line.startswith("export NETCHECK_") for line in lines)


def test_a_second_up_changes_nothing(started: subprocess.CompletedProcess[str]) -> None:
    again = run("up")
    assert again.returncode == 0
    assert (again.stderr, again.stdout) == (f"lab {NAME} is already up\n", started.stdout)


def test_labs_stand_side_by_side(started: subprocess.CompletedProcess[str], lab: Lab) -> None:
    del started
    mine, other = lab.nodes["node-one"], run("shell", "node-one", stdin="cat /etc/machine-id\n")
    machine_id = mine.run(["cat", "/etc/machine-id"]).stdout
    assert machine_id not in other.stdout
    assert lab.settings()["NETCHECK_SSH_CONFIG"] not in run("status").stdout


@pytest.mark.usefixtures("started")
def test_pods_run_in_the_runtime_that_was_asked_for() -> None:
    assert run("shell", "node-one", stdin="ls /run/docker.sock\n").stdout == "/run/docker.sock\n"
    assert run("shell", "node-two", stdin="ls /run/docker.sock\n").stdout == ""


@pytest.mark.usefixtures("started")
def test_a_shell_is_roots_on_the_node() -> None:
    assert "node-two" in run("shell", "node-two", stdin="hostname\n").stdout


def test_without_a_lab_it_says_how_to_start_one() -> None:
    argv = [*COMMAND, "status", "--name", f"none-{os.getpid()}"]
    said = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert said.returncode != 0
    assert "is not up; start it with: netcheck-bot lab up" in said.stderr
