"""What is said of a node from its saved files, and what no file tells."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from node_helper.facts import catalogue as facts
from tests.unit.saved_files import asked, report
from workers.kubernetes.kinds import KINDS
from workers.offline import saved_cluster
from workers.offline.answers import registry
from workers.offline.source import OF_NODES


def test_what_only_a_node_can_tell_is_unknown(saved: Path) -> None:
    done = asked("pod coredns-1 in kube-system", saved, "--output", "json")
    assert done.exit_code == 3
    (gap,) = (f for f in json.loads(done.stdout)["findings"] if f["id"] == "unknown-fact")
    assert gap["evidence"][0]["value"] == "node1: no kind of saved file tells sandbox"


def test_every_source_answers_a_fact_that_there_is() -> None:
    assert registry().keys() <= facts().keys()


def test_virtual_servers_are_read_from_either_form_of_ipvsadm(saved: Path) -> None:
    (saved / "node1.iptables-save.txt").unlink()
    (saved / "node1.ipvsadm.txt").write_text("-A -t 10.96.0.10:53 -s rr\n-a -t 10.96.0.10:53 -r 10.244.0.53:53 -m -w 1\n")
    said = report("ipvs node1", saved)
    assert {f["id"] for f in said["findings"]} == {"ipvs-deprecated", "unknown-fact"}
    (server,) = said["facts"]["nodes"]["node1"]["virtual_servers"]
    assert [(real["address"], real["port"]) for real in server["real_servers"]] == [("10.244.0.53", 53)]


def test_a_node_whose_other_rules_were_saved_does_not_use_ipvs(saved: Path) -> None:
    done = asked("ipvs node1", saved, "--output", "json")
    assert (done.exit_code, json.loads(done.stdout)["findings"]) == (0, [])
    for file in saved.glob("node1.*"):
        file.unlink()
    assert asked("ipvs node1", saved).exit_code == 3


IPVS_RULES = """\
*nat
:PREROUTING ACCEPT [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-SERVICES - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A KUBE-SERVICES ! -s 10.244.0.0/16 -m set --match-set KUBE-CLUSTER-IP dst,dst -j KUBE-MARK-MASQ
-A KUBE-SERVICES -m set --match-set KUBE-CLUSTER-IP dst,dst -j ACCEPT
COMMIT
"""
"""What kube-proxy writes in IPVS mode (`writeIptablesRules` in pkg/proxy/ipvs/proxier.go of Kubernetes), in short."""


@pytest.mark.parametrize("words", ["ipvs shop/web on node1", "ipvs node1", "rules shop/web on node1"])
def test_virtual_servers_that_were_not_saved_are_missed_where_the_rules_need_them(saved: Path, words: str) -> None:
    for file in saved.glob("node1.*"):
        file.unlink()
    (saved / "node1.iptables-save.txt").write_text(IPVS_RULES)
    said = report(words, saved)
    assert (said["verdict"], {f["id"] for f in said["findings"]}) == ("unknown", {"unknown-fact"})
    if words.startswith("ipvs"):
        (gap,) = said["findings"]
        assert gap["evidence"][0]["value"].startswith("node1.ipvsadm.txt was not saved, and the node's rules are those of")
        assert gap["fix"] == "Save as node1.ipvsadm.txt what `ipvsadm-save -n` prints on the node."


def test_a_malformed_listing_is_named_with_its_line(saved: Path) -> None:
    (saved / "node1.ipvsadm.txt").write_text("-A -t 10.96.0.10:53 -s rr\n-A -t banana\n")
    (gap, *_) = report("ipvs node1", saved)["findings"]
    assert gap["evidence"][0]["value"].startswith("node1.ipvsadm.txt: line 2: ")


def test_each_file_that_is_read_is_in_the_table_with_what_prints_it() -> None:
    page = (Path(__file__).parents[2] / "deploy" / "README.md").read_text()
    table = page.partition("## Saved evidence")[2].partition("## Settings")[0]
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| `")]
    told = [name for row in rows for name in re.findall(r"`([^`]+)`", row[0])]
    of_nodes = [f"NODE.{name}" for name in OF_NODES]
    assert sorted(told) == sorted([*map(saved_cluster.file_of, KINDS), *of_nodes])
    for kind in KINDS:
        assert f"| `{saved_cluster.file_of(kind)}` | `{saved_cluster.command(kind)}` |" in table
