"""The rules of a running lab, asked over SSH as a person at a terminal does: right on both nodes, and nothing left behind."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deploy.lab.lab import Lab
from tests.faults.asking import check, text

pytestmark = pytest.mark.live
BACKENDS = {"node-one": "iptables-nft", "node-two": "nftables"}


def _pods_of(lab: Lab) -> set[str]:
    """The pods' addresses, of both families, with the port behind the service."""
    pods = [pod for pod in check(lab, "pods")["facts"]["pods"] if pod["name"].startswith("hello-world")]
    ips = [ip for pod in pods for ip in pod["IP"].split(", ")]
    return {f"[{ip}]:8080" if ":" in ip else f"{ip}:8080" for ip in ips}


def test_both_nodes_send_a_service_to_its_pods_whatever_their_backend(lab: Lab) -> None:
    said = check(lab, "rules hello-world")
    assert (said["verdict"], sorted(said["asked"])) == ("healthy", ["node-one", "node-two"])
    for node, backend in BACKENDS.items():
        ways = said["facts"]["nodes"][node]["ways"]
        assert {way["backend"] for way in ways} == {backend}
        assert {endpoint for way in ways for endpoint in way["from"]["pod"]["endpoints"]} == _pods_of(lab)


@pytest.mark.parametrize(
    "words",
    ["iptables node-one", "nftables node-two", "rules node-one", "rules node-two", "nftables hello-world", "iptables hello-world",
     "rules node-one chain=KUBE-SERVICES", "rules node-two chain=services", "rules node-one table=filter chain=FORWARD"],
)  # fmt: skip
def test_a_healthy_lab_has_no_findings(lab: Lab, words: str) -> None:
    said = check(lab, words)
    assert (said["verdict"], said["findings"]) == ("healthy", [])


def test_one_chain_is_shown_with_all_its_rules_whatever_its_maps_hold(lab: Lab) -> None:
    said = text(lab, "rules node-two chain=services")
    assert "Chains in nftables IPv4 on node-two" in said
    assert "    ip daddr . meta l4proto . th dport vmap @service-ips\n" in said


def test_one_table_is_the_tools_own_text_of_it(lab: Lab, tmp_path: Path) -> None:
    text(lab, "rules node-one table=filter", "--files", str(tmp_path))
    told = lab.nodes["node-one"].run(["iptables-nft-save", "-c", "-t", "filter"]).stdout
    assert _rules((tmp_path / "node-one.iptables-save-c.part.txt").read_text()) == _rules(told)
    assert "There is no table raw of the families ip and ip6: there are filter, mangle, nat" in text(
        lab, "rules node-one table=raw"
    )


def _rules(text: str) -> list[str]:
    return [re.sub(r"\[\d+:\d+\]", "", line) for line in text.splitlines() if not line.startswith("#")]


def test_looking_leaves_the_nodes_as_they_were(lab: Lab) -> None:
    before = check(lab, "rules hello-world")["facts"]["nodes"]
    for words in ("rules node-one", "rules node-two", "iptables node-two", "nftables node-one"):
        check(lab, words)
    after = check(lab, "rules hello-world")["facts"]["nodes"]
    assert {n: known["tables"] for n, known in before.items()} == {n: known["tables"] for n, known in after.items()}
