"""A guest is a whole kernel: it reads the machine's files, writes to one folder only, and ends with its command."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from deploy.lab.errors import LabError
from deploy.lab.guest import qemu, uml

pytestmark = pytest.mark.live

EVERYTHING = """
import os, pathlib, sys
pathlib.Path(sys.argv[1], "kept").write_text(os.uname().release)
pathlib.Path("README.md").write_text("gone with the guest")
print(pathlib.Path("/proc/sys/net/netfilter/nf_conntrack_max").write_text("4711"))
print("beside it", file=sys.stderr)
sys.exit(7)
"""


def mentioned(folder: Path) -> list[str]:
    """The processes whose environment names a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*/environ"):
        try:
            found += [process.parent.name] if str(folder).encode() in process.read_bytes() else []
        except OSError:
            continue
    return found


@pytest.mark.parametrize("kind", [uml, qemu])
def test_a_guest_shares_files_but_no_kernel(kind: Any, tmp_path: Path) -> None:
    readme = Path("README.md").read_bytes() if Path("README.md").exists() else b""
    maximum = Path("/proc/sys/net/netfilter/nf_conntrack_max").read_text()
    ended = kind.prepare(print, ["nf_conntrack"]).python(EVERYTHING, str(tmp_path), writable=tmp_path)
    assert (ended.status, ended.out, ended.err) == (7, "4\n", "beside it\n")
    assert (tmp_path / "kept").read_text() != os.uname().release
    assert (Path("README.md").read_bytes() if Path("README.md").exists() else b"") == readme
    assert Path("/proc/sys/net/netfilter/nf_conntrack_max").read_text() == maximum


def test_a_guest_that_does_not_end_is_killed_with_all_its_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(LabError, match="did not end in 8 s"):
        uml.prepare(print).run(["sh", "-c", "sleep 1000 & sleep 1000"], seconds=8)
    assert mentioned(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_an_emulated_guest_has_nftables_and_ipvs_in_one_kernel() -> None:
    script = "ipvsadm -A -t 10.96.0.1:80 -s rr && ipvsadm-save -n && nft add table ip6 made && nft list tables"
    ended = qemu.prepare(print).run(["sh", "-c", script])
    assert (ended.status, ended.out) == (0, "-A -t 10.96.0.1:80 -s rr\ntable ip6 made\n"), ended.err


def test_a_guest_without_a_module_says_so() -> None:
    with pytest.raises(LabError, match="nosuchmodule"):
        uml.prepare(print, ["nosuchmodule"]).run(["true"])
