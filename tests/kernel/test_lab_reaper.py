"""The reaper removes what it was told of, whatever ends it or its owner."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from deploy.lab.cgroups import Subtree, on_this_machine, usual
from deploy.lab.reaper import Reaper

pytestmark = pytest.mark.live


@pytest.fixture
def subtree() -> Subtree:
    return Subtree.plan(f"reaped-{os.getpid()}", usual(on_this_machine()))


def test_a_folder_and_cgroups_are_gone_with_what_runs_in_them(tmp_path: Path, subtree: Subtree) -> None:
    folder = tmp_path / "made-after-the-reaper-knows"
    reaper = Reaper()
    reaper.folder(folder)
    reaper.cgroups(subtree.folders)
    folder.mkdir()
    (folder / "file").touch()
    subtree.make()
    with subprocess.Popen(subtree.joining_leaf(["sleep", "1000"])) as sleeper:
        while Path(f"/proc/{sleeper.pid}/comm").read_text() != "sleep\n":
            assert sleeper.poll() is None, "it never joined"
            time.sleep(0.01)
        reaper.close()
    assert sleeper.returncode == -signal.SIGKILL
    assert not folder.exists()
    assert not any(path.exists() for path in subtree.folders)


def test_what_was_told_but_never_made_does_not_matter(tmp_path: Path, subtree: Subtree) -> None:
    reaper = Reaper()
    reaper.folder(tmp_path / "never")
    reaper.cgroups(subtree.folders)
    reaper.close()
    assert reaper.process.returncode == 0


@pytest.mark.parametrize("told_after", [True, False], ids=["then-told-more", "then-closed"])
def test_another_takes_over_from_one_that_was_killed(tmp_path: Path, *, told_after: bool) -> None:
    folders = [tmp_path / "first", tmp_path / "second"]
    reaper = Reaper()
    for folder in folders:
        folder.mkdir()
    reaper.folder(folders[0])
    if not told_after:
        reaper.folder(folders[1])
    reaper.process.kill()
    reaper.process.wait()
    if told_after:
        reaper.folder(folders[1])
    reaper.close()
    assert not any(folder.exists() for folder in folders)
