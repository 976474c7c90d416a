"""Services of a node in IPVS mode, from its saved virtual servers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deploy.lab.kubeproxy.ipvs import render_ipvs
from deploy.lab.kubeproxy.model import Family, Objects
from tests.rule_samples import DATA, VINTAGES
from tests.unit.saved_files import EVERYWHERE, OBJECTS, objects_in, report


def ipvs_of(vintage: str, node: str) -> str:
    known = {kind: json.loads((DATA / f"kube-proxy-{vintage}/{kind}.json").read_text())["items"] for kind in OBJECTS[:3]}
    made = Objects(known["services"], known["endpointslices"], known["nodes"])
    return "".join(render_ipvs(made, node, family=family).text for family in Family)


@pytest.mark.parametrize("vintage", VINTAGES)
@pytest.mark.parametrize("node", ["node1", "node2"])
def test_virtual_servers_as_kube_proxy_makes_them_are_no_drift(tmp_path: Path, vintage: str, node: str) -> None:
    (objects_in(tmp_path, vintage) / f"{node}.ipvsadm.txt").write_text(ipvs_of(vintage, node))
    services = json.loads((tmp_path / "services.json").read_text())["items"]
    for service in services:
        name = f"{service['metadata']['namespace']}/{service['metadata']['name']}"
        for command in ("rules", "ipvs"):
            found = report(f"{command} {name} on {node}", tmp_path)["findings"]
            others = {f["id"] for f in found if "connections" not in f["claim"]}  # no file tells those
            assert others <= {"ipvs-deprecated", "service-no-endpoints"}, (command, name)


def test_virtual_servers_of_others_and_an_empty_save_are_not_those_of_a_service(tmp_path: Path) -> None:
    (objects_in(tmp_path) / "node1.ipvsadm.txt").write_text("")
    said = report("rules shop/web on node1", tmp_path)
    assert [f["id"] for f in said["findings"]] == ["dataplane-not-evaluated"]
    assert said["facts"]["nodes"]["node1"]["ipvs"] is False
    (tmp_path / "node1.ipvsadm.txt").write_text("-A -t 10.111.199.231:80 -s rr\n")
    for command in ("rules", "ipvs"):
        drift = [f for f in report(f"{command} shop/web on node1", tmp_path)["findings"] if f["id"] == "service-rules-drift"]
        assert [f["evidence"][0]["value"] for f in drift] == [f"no virtual server; wanted: {', '.join(EVERYWHERE)}"]


def test_node_ports_of_a_node_whose_addresses_were_not_saved_cannot_be_told(tmp_path: Path) -> None:
    (objects_in(tmp_path) / "node1.ipvsadm.txt").write_text(ipvs_of("1.36", "node1"))
    (tmp_path / "nodes.json").unlink()
    services = json.loads((tmp_path / "services.json").read_text())["items"]
    name = next(s["metadata"]["name"] for s in services if s["spec"]["type"] == "NodePort" and s["spec"].get("selector"))
    assert "unknown-fact" in [f["id"] for f in report(f"rules shop/{name} on node1", tmp_path)["findings"]]
