"""Packages are unpacked once, whoever asks at the same time, and the machine has nothing installed after it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.lab import packages

pytestmark = pytest.mark.live

PREPARE = "from deploy.lab import packages; packages.prepare(print)"


def test_two_labs_at_once_fetch_once_and_a_later_one_not_at_all(tmp_path: Path) -> None:
    status = Path("/var/lib/dpkg/status").read_bytes()
    environment = {"NETCHECK_LAB_CACHE": str(tmp_path), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    argv = [sys.executable, "-c", PREPARE]
    both = [subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(said) == ["", "fetching Debian packages (once)\n"]
    later = subprocess.run(argv, env={**environment, "PATH": "/nowhere"}, capture_output=True, text=True, check=False)
    assert (later.returncode, later.stdout) == (0, "")
    assert len(list(tmp_path.glob("root-*"))) == 1
    assert Path("/var/lib/dpkg/status").read_bytes() == status


def test_tools_are_at_their_usual_paths_and_the_machine_keeps_its_own() -> None:
    tools = packages.prepare(print)
    inside = subprocess.run(tools.argv(["iptables", "--version"]), capture_output=True, text=True, check=True)
    assert "nf_tables" in inside.stdout
    assert tools.file("/usr/bin/containerd").is_relative_to(tools.cache)
    assert "/usr" not in {line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()}
