"""`rules SERVICE` on folders of saved evidence of every vintage: where it goes, what is refused, and what drifts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from node_helper.netfilter.records import Destination
from tests.rule_samples import DATA, SMALL, VINTAGES, parsed, small
from tests.unit.saved_files import EVERYWHERE, SAMPLES, objects_in, report
from workers.rules import part
from workers.rules.compare import of_route
from workers.rules.desired import Desired
from workers.rules.resolve import Rules


@pytest.mark.parametrize("vintage", VINTAGES)
@pytest.mark.parametrize("node", ["node1", "node2", "node3"])
def test_a_service_on_a_node_goes_to_its_endpoints(vintage: str, node: str) -> None:
    folder = DATA / f"kube-proxy-{vintage}"
    if not any(folder.glob(f"{node}.*")):
        folder = SAMPLES
    said = report(f"rules shop/web on {node}", folder)
    assert said["verdict"] == "healthy"
    ways = [w for w in said["facts"]["nodes"][node]["ways"] if w["destination"] == "10.111.199.230:80/tcp"]
    assert [w["from"]["pod"]["endpoints"] for w in ways] == [EVERYWHERE]


def test_a_service_that_is_refused_is_found_with_the_rule_that_refuses() -> None:
    said = report("rules shop/nobody on node1", SAMPLES)
    found = next(f for f in said["findings"] if f["id"] == "service-no-endpoints")
    assert any("refused" in e["value"] for e in found["evidence"])


def test_a_service_without_selector_and_endpoints_is_found_with_the_rule_that_refuses(saved: Path) -> None:
    services = json.loads((saved / "services.json").read_text())
    (nobody,) = (each for each in services["items"] if each["metadata"]["name"] == "nobody")
    del nobody["spec"]["selector"]
    (saved / "services.json").write_text(json.dumps(services))
    (found,) = report("rules shop/nobody on node1", saved)["findings"]
    assert (found["id"], found["severity"]) == ("service-no-endpoints", "problem")
    assert any("refused" in e["value"] for e in found["evidence"])
    assert "selector" not in found["claim"]
    assert not any("pods matching" in e["source"] for e in found["evidence"])


def test_leftovers_of_the_other_backend_are_found(saved: Path) -> None:
    shutil.copy(saved / "node3.iptables-legacy-save.txt", saved / "node1.iptables-legacy-save.txt")
    said = report("rules shop/web on node1", saved)
    assert [(f["id"], f["severity"]) for f in said["findings"]] == [("iptables-backends-mixed", "problem")]


@pytest.mark.parametrize("name", [n for n in SMALL if "ip6" not in n])
def test_the_part_about_a_service_says_the_same_as_the_whole(name: str) -> None:
    cluster, node, text = small(name)
    whole, desired = parsed(name, text), Desired(cluster)
    for service in cluster.services.values():
        wanted = [w for w in desired.of(service, node) if w.frontend.family == "ip"]
        only = tuple(Destination(w.frontend.address, w.frontend.port, w.frontend.protocol) for w in wanted)
        rules = Rules(part.about(whole, "ip", only))
        assert rules.in_use("ip") or not wanted
        assert [d for w in wanted for d in of_route(w, rules.route(w.frontend))] == []
        assert sum(len(c.rules) for t in rules.tables() for c in t.chains) < 60


@pytest.mark.parametrize(
    ("name", "backend"), [("iptables-save.txt", "iptables-nft"), ("iptables-legacy-save.txt", "iptables-legacy")]
)
def test_a_save_without_its_first_line_is_of_the_backend_that_its_name_says(tmp_path: Path, name: str, backend: str) -> None:
    objects_in(tmp_path)
    kept = [line for line in (SAMPLES / "node1.iptables-save.txt").read_text().splitlines() if line[:1] != "#"]
    (tmp_path / f"node1.{name}").write_text("\n".join(kept))
    ways = report("rules shop/web on node1", tmp_path)["facts"]["nodes"]["node1"]["ways"]
    assert [(way["backend"], way["from"]["pod"]["endpoints"]) for way in ways] == [(backend, EVERYWHERE)]
    (tmp_path / f"node1.{name}").write_text("")
    assert report("rules shop/web on node1", tmp_path)["verdict"] == "unknown"


def test_rules_that_lack_a_service_are_found(tmp_path: Path) -> None:
    text = (SAMPLES / "node1.iptables-save.txt").read_text()
    lines = [line for line in text.splitlines(keepends=True) if "-d 10.111.199.230/32" not in line]
    (objects_in(tmp_path) / "node1.iptables-save.txt").write_text("".join(lines))
    (found,) = report("rules shop/web on node1", tmp_path)["findings"]
    assert (found["id"], found["severity"], found["confidence"]) == ("service-rules-drift", "warning", "likely")
    assert (found["node"], found["subject"]) == ("node1", "shop/web:http")
    assert found["evidence"][0]["value"] == f"nothing; wanted: {', '.join(EVERYWHERE)}"
    assert report("rules shop/db on node1", tmp_path)["findings"] == []


def test_services_that_others_handle_and_addresses_that_bypass_nodes_are_not_missed(tmp_path: Path) -> None:
    services = json.loads((objects_in(tmp_path) / "services.json").read_text())
    for each in services["items"]:
        if each["metadata"]["name"] == "web-lb":
            each["status"]["loadBalancer"]["ingress"].append({"ip": "203.0.113.77", "ipMode": "Proxy"})
        elif each["metadata"]["name"] == "db":
            each["metadata"]["labels"] = {"service.kubernetes.io/service-proxy-name": "another"}
    (tmp_path / "services.json").write_text(json.dumps(services))
    shutil.copy(SAMPLES / "node1.iptables-save.txt", tmp_path)
    for words in ("rules shop/web-lb on node1", "rules 203.0.113.77 on node1", "rules shop/db on node1"):
        assert report(words, tmp_path)["findings"] == []


@pytest.mark.parametrize("command", ["rules", "ipvs"])
def test_addresses_with_leading_zeros_and_capitals_are_looked_for_as_rules_have_them(tmp_path: Path, command: str) -> None:
    folder = objects_in(tmp_path)
    services = json.loads((folder / "services.json").read_text())
    (web,) = (each for each in services["items"] if each["metadata"]["name"] == "web-ext")
    web["spec"] |= {"externalIPs": ["203.0.113.007", "FD00:10:96:0::0080"]}
    (folder / "services.json").write_text(json.dumps(services))
    shutil.copy(SAMPLES / "node1.iptables-save.txt", folder)
    said = report(f"{command} shop/web-ext on node1", folder)
    ways = said["facts"]["nodes"]["node1"].get("ways", [])
    assert [w["destination"] for w in ways] == (["10.103.234.115:80/tcp", "203.0.113.7:80/tcp"] if command == "rules" else [])
