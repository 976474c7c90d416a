"""Whatever a folder of saved evidence holds: it is read, or named in a verdict, within its limits and inside the folder."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_helper.protocol import CannotLook
from tests.examples import few
from tests.unit.saved_files import SAMPLES, asked, report
from workers.errors import UsageError
from workers.offline import saved_cluster
from workers.offline.folder import Folder


def test_a_file_that_is_cut_is_named(saved: Path) -> None:
    packed = gzip.compress((saved / "pods.json").read_bytes())
    (saved / "pods.json").unlink()
    (saved / "pods.json.gz").write_bytes(packed[: len(packed) // 2])
    said = report("pods in all", saved)["findings"][0]["evidence"][0]["value"]
    assert said.startswith("pods.json.gz is not whole as a gzip file")


def test_a_file_without_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pods.json.gz").write_bytes(gzip.compress(b" " * 3_000_000))
    with pytest.raises(CannotLook, match="holds more than 1 MiB") as refused:
        Folder(tmp_path, largest=1 << 20).text("pods.json")
    assert refused.value.kind == "budget"


def test_a_folder_without_evidence_is_not_understood(tmp_path: Path) -> None:
    done = asked("pods", tmp_path)
    assert (done.exit_code, "holds no saved evidence: pods.json" in done.stderr) == (2, True)
    assert asked("pods", tmp_path / "nowhere").exit_code == 2
    with pytest.raises(UsageError, match="cannot be read as a folder"):
        Folder(tmp_path / "nowhere")


def test_no_name_leads_out_of_the_folder(saved: Path) -> None:
    outside = saved.parent / "secret.conntrack.txt"
    outside.write_text("secret")
    with pytest.raises(CannotLook, match="was not saved"):
        Folder(saved).text("../secret.conntrack.txt")


@given(st.binary(max_size=300), st.sampled_from(["pods.json", "services.json.gz", "nodes.json"]))
def test_whatever_a_list_holds_it_is_read_or_named(tmp_path_factory: pytest.TempPathFactory, data: bytes, name: str) -> None:
    folder = tmp_path_factory.mktemp("saved")
    (folder / name).write_bytes(data)
    cluster = saved_cluster.read(Folder(folder), "saved")
    assert name.split(".", maxsplit=1)[0] in {b.kind for b in cluster.behind}


@few(60)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["items", "metadata", "name", "namespace", "spec", "status", "podIPs", "kind"]), inner, max_size=4
            )
        ),
        max_leaves=12,
    )
)
def test_whatever_json_a_list_holds_a_command_says_its_verdict(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    folder = tmp_path_factory.mktemp("saved")
    (folder / "pods.json").write_text(json.dumps(value))
    done = asked("pods in all", folder)
    assert done.exit_code in (0, 1, 3)
    assert done.exception is None or isinstance(done.exception, SystemExit)


NODES_FILES = {
    "rules node1": ["node1.iptables-save.txt", "node1.iptables-save-c.txt", "node1.ip6tables-save.txt"],
    "nftables node2": ["node2.nft.json", "node2.nft.txt"],
    "rules shop/web on node3": ["node3.iptables-legacy-save.txt"],
    "ipvs node1": ["node1.ipvsadm.txt"],
    "conntrack node1 proto=tcp": ["node1.conntrack.txt"],
}
PIECES = (
    b"*nat", b":A - [0:0]", b"-A A -j B", b"COMMIT", b"table ip kube-proxy {", b"chain services {", b"}",
    b"-A -t 10.0.0.1:80 -s rr", b"TCP  10.0.0.1:80 rr", b"  -> 10.0.0.2:80 Masq 1 0 0",
    b"tcp 6 117 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2",
    b'{"nftables": [{"table": {"family": "ip"}}]}', b"\xff\x00",
)  # fmt: skip


@few(60)
@given(st.sampled_from(sorted(NODES_FILES)), st.data())
def test_whatever_a_nodes_file_holds_a_command_says_its_verdict(
    tmp_path_factory: pytest.TempPathFactory, words: str, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("saved")
    for name in ("nodes.json", "services.json", "endpointslices.json", "pods.json"):
        shutil.copy(SAMPLES / name, folder)
    lines = data.draw(st.lists(st.sampled_from(PIECES) | st.binary(max_size=40), max_size=8))
    (folder / data.draw(st.sampled_from(NODES_FILES[words]))).write_bytes(b"\n".join(lines))
    done = asked(words, folder)
    assert done.exit_code in (0, 1, 3), done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)
