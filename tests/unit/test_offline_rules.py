"""`rules`, `iptables` and `nftables` on folders of saved evidence: every vintage, and what was not saved."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bot.cli import cli
from deploy.lab.kubeproxy.ipvs import render_ipvs
from deploy.lab.kubeproxy.model import Family, Objects
from node_helper.netfilter.records import Destination
from tests.rule_samples import DATA, SMALL, VINTAGES, parsed, small
from workers.rules import part
from workers.rules.compare import of_route
from workers.rules.desired import Desired
from workers.rules.resolve import Rules

OBJECTS = ("services", "endpointslices", "nodes", "pods")
EVERYWHERE = {"10.244.1.1:8080": 0.3333, "10.244.1.3:8080": 0.3333, "10.245.1.2:8080": 0.3333}


def report(words: str, folder: Path) -> Any:
    done = CliRunner().invoke(cli, ["check", *words.split(), "--from", str(folder), "--output", "json"])
    return json.loads(done.stdout)


@pytest.mark.parametrize("vintage", VINTAGES)
@pytest.mark.parametrize("node", ["node1", "node2", "node3"])
def test_a_service_on_a_node_goes_to_its_endpoints(vintage: str, node: str) -> None:
    folder = DATA / f"kube-proxy-{vintage}"
    if not any(folder.glob(f"{node}.*")):
        folder = DATA / "kube-proxy-1.36"
    said = report(f"rules shop/web on {node}", folder)
    assert said["verdict"] == "healthy"
    ways = [w for w in said["facts"]["nodes"][node]["ways"] if w["destination"] == "10.111.199.230:80/tcp"]
    assert [w["from"]["pod"]["endpoints"] for w in ways] == [EVERYWHERE]


def test_a_service_that_is_refused_is_found_with_the_rule_that_refuses() -> None:
    said = report("rules shop/nobody on node1", DATA / "kube-proxy-1.36")
    found = next(f for f in said["findings"] if f["id"] == "service-no-endpoints")
    assert any("refused" in e["value"] for e in found["evidence"])


def test_a_service_without_selector_and_endpoints_is_found_with_the_rule_that_refuses(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(DATA / "kube-proxy-1.36", tmp_path / "saved"))
    services = json.loads((folder / "services.json").read_text())
    (nobody,) = (each for each in services["items"] if each["metadata"]["name"] == "nobody")
    del nobody["spec"]["selector"]
    (folder / "services.json").write_text(json.dumps(services))
    (found,) = report("rules shop/nobody on node1", folder)["findings"]
    assert (found["id"], found["severity"]) == ("service-no-endpoints", "problem")
    assert any("refused" in e["value"] for e in found["evidence"])
    assert "selector" not in found["claim"]
    assert not any("pods matching" in e["source"] for e in found["evidence"])


def test_leftovers_of_the_other_backend_are_found(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(DATA / "kube-proxy-1.36", tmp_path / "saved"))
    shutil.copy(folder / "node3.iptables-legacy-save.txt", folder / "node1.iptables-legacy-save.txt")
    said = report("rules shop/web on node1", folder)
    assert [(f["id"], f["severity"]) for f in said["findings"]] == [("iptables-backends-mixed", "problem")]


def test_what_was_not_saved_is_unknown(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(DATA / "kube-proxy-1.36", tmp_path / "saved"))
    for file in folder.glob("node1.*"):
        file.unlink()
    assert report("rules shop/web on node1", folder)["verdict"] == "unknown"


@pytest.mark.parametrize("words", ["iptables node1", "nftables node2", "rules node3", "iptables node1 chain=KUBE-MARK-MASQ"])
def test_a_whole_node_and_one_chain_are_shown(words: str) -> None:
    assert report(words, DATA / "kube-proxy-1.36")["verdict"] == "healthy"


@pytest.mark.parametrize("name", [n for n in SMALL if "ip6" not in n])
def test_the_part_about_a_service_says_the_same_as_the_whole(name: str) -> None:
    cluster, node, text = small(name)
    whole, desired = parsed(name, text), Desired(cluster)
    for service in cluster.services.values():
        wanted = [w for w in desired.of(service, node) if w.frontend.family == "ip"]
        only = tuple(Destination(w.frontend.address, w.frontend.port, w.frontend.protocol) for w in wanted)
        rules = Rules(part.about(whole, "ip", only))
        found = [d for w in wanted if rules.in_use("ip") for d in of_route(w, rules.route(w.frontend))]
        assert found == []
        assert sum(len(c.rules) for t in rules.tables() for c in t.chains) < 60


def test_without_a_list_of_nodes_those_of_which_files_were_saved_are_looked_at(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(DATA / "kube-proxy-1.36", tmp_path / "saved"))
    (folder / "nodes.json").unlink()
    said = report("rules shop/web", folder)
    assert (said["verdict"], said["asked"]) == ("healthy", ["node1", "node2", "node3"])
    assert report("rules node2", folder)["verdict"] == "healthy"
    assert [f["id"] for f in report("nodes", folder)["findings"]].count("unknown-cluster") == 1


@pytest.mark.parametrize("suffix", ["", ".example.com"])
def test_nodes_that_the_list_does_not_name_are_looked_at_by_their_files(tmp_path: Path, suffix: str) -> None:
    folder = Path(shutil.copytree(DATA / "kube-proxy-1.36", tmp_path / "saved"))
    nodes = json.loads((folder / "nodes.json").read_text())
    (first,) = (each for each in nodes["items"] if each["metadata"]["name"] == "node1")
    first["metadata"]["name"] += suffix
    (folder / "nodes.json").write_text(json.dumps({**nodes, "items": [first]}))
    (folder / ".conntrack.txt").write_text("of no node")
    (folder / "node3.iptables-legacy-save-c.txt").unlink()
    save = folder / "node3.iptables-legacy-save.txt"
    save.write_text(save.read_text().replace("10.244.1.1:8080", "10.244.9.9:8080"))
    said = report("rules shop/web", folder)
    assert said["asked"] == sorted({"node1", "node2", "node3", f"node1{suffix}"})
    assert ("service-rules-drift", "node3") in {(f["id"], f["node"]) for f in said["findings"]}
    assert said["verdict"] == ("unknown" if suffix else "warning")


def test_what_hints_mean_for_a_node_without_a_known_zone_is_unknown_and_no_drift(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(DATA / "kube-proxy-1.36", tmp_path / "saved"))
    nodes, slices = (json.loads((folder / f"{kind}.json").read_text()) for kind in ("nodes", "endpointslices"))
    nodes["items"] = [each for each in nodes["items"] if each["metadata"]["name"] == "node1"]
    for piece in slices["items"]:
        for number, endpoint in enumerate(piece["endpoints"] or []):
            endpoint["hints"] = {"forZones": [{"name": f"zone-{number}"}]}
    (folder / "nodes.json").write_text(json.dumps(nodes))
    (folder / "endpointslices.json").write_text(json.dumps(slices))
    for file in folder.glob("node3.*"):
        file.write_text("".join(line for line in file.read_text().splitlines(keepends=True) if "statistic" not in line))
    (gap,) = report("rules shop/web", folder)["findings"]
    assert (gap["id"], gap["claim"]) == ("unknown-cluster", "Kubernetes' list of nodes is not whole")
    assert gap["evidence"][0]["value"].startswith("nodes.json does not name node2, node3, and EndpointSlices with hints")


@pytest.mark.parametrize("command", ["rules", "ipvs"])
def test_where_no_node_is_known_nothing_is_healthy(tmp_path: Path, command: str) -> None:
    for name in ("services", "endpointslices", "pods"):
        shutil.copy(DATA / "kube-proxy-1.36" / f"{name}.json", tmp_path)
    said = report(f"{command} shop/web", tmp_path)
    assert (said["verdict"], [f["subject"] for f in said["findings"]]) == ("unknown", ["nodes"])


def test_the_raw_text_of_nftables_is_what_nft_lists_of_each_family(tmp_path: Path) -> None:
    text = (DATA / "kube-proxy-1.36" / "node2.nft.txt").read_text()
    files = tmp_path / "files"
    argv = ["check", "rules", "node2", "--from", str(DATA / "kube-proxy-1.36"), "--files", str(files)]
    assert CliRunner().invoke(cli, argv).exit_code == 0
    assert "".join((files / f"node2.nft-{family}.txt").read_text() for family in ("ip", "ip6")) == text


@pytest.mark.parametrize(
    ("sample", "node", "kept"),
    [
        ("1.23", "node1", "node1.ip*"),
        ("1.23", "node3", "node3.*"),
        ("1.30", "node2", "node2.nft.txt"),
        ("1.36", "node1", "node1.ip*"),
        ("1.36", "node2", "node2.nft.txt"),
        ("1.36", "node2", "node2.nft.json"),
        ("1.36", "node3", "node3.*"),
    ],
)
def test_what_was_written_with_files_is_read_with_from(tmp_path: Path, sample: str, node: str, kept: str) -> None:
    saved, written = tmp_path / "saved", tmp_path / "written"
    saved.mkdir()
    for file in (DATA / f"kube-proxy-{sample}").glob(kept):
        shutil.copy(file, saved)
    argv = ["check", "rules", node, "--from", str(saved), "--output", "json", "--files", str(written)]
    first = json.loads(CliRunner().invoke(cli, argv).stdout)
    again = report(f"rules {node}", written)
    for said in (first, again):
        for save in said["facts"]["nodes"][node]["saves"]:
            del save["command"]  # which file it was
    assert first["verdict"] == "healthy"
    assert (again["facts"], again["findings"]) == (first["facts"], [])


@pytest.mark.parametrize(
    ("words", "file", "first", "last"),
    [
        ("rules node1 table=nat", "node1.iptables-save-c.txt", "*nat", "COMMIT"),
        ("rules node3 table=filter", "node3.iptables-legacy-save-c.txt", "*filter", "COMMIT"),
        ("nftables node2 table=kube-proxy", "node2.nft-ip6.txt", "table ip6 kube-proxy {", "}"),
    ],
)
def test_of_one_table_only_its_own_text_is_shown(tmp_path: Path, words: str, file: str, first: str, last: str) -> None:
    argv = ["check", *words.split(), "--from", str(DATA / "kube-proxy-1.36"), "--files", str(tmp_path)]
    assert CliRunner().invoke(cli, argv).exit_code == 0
    lines = (tmp_path / file).read_text().splitlines()
    assert (lines[0], lines[-1], lines.count(first)) == (first, last, 1)


def test_a_table_that_is_nowhere_is_said_so_and_a_chain_of_nftables_has_its_rules() -> None:
    def said(*words: str) -> str:
        return CliRunner().invoke(cli, ["check", *words, "--from", str(DATA / "kube-proxy-1.36")]).stdout

    assert "There is no table raw of the families ip and ip6: there are filter, mangle, nat" in said(
        "rules", "node1", "table=raw"
    )
    assert "    ip daddr . meta l4proto . th dport vmap @service-ips\n" in said("nftables", "node2", "chain=services")
    assert "Chains in iptables-nft IPv4" not in said("rules", "shop/web", "on", "node1", "table=mangle")


def test_a_chain_is_found_in_whatever_table_it_is() -> None:
    def said(*words: str) -> str:
        return CliRunner().invoke(cli, ["check", "rules", *words, "--from", str(DATA / "kube-proxy-1.36")]).stdout

    assert "\n  filter KUBE-FORWARD\n" in said("node1", "chain=KUBE-FORWARD")
    both = said("node1", "chain=KUBE-SERVICES")
    assert "\n  nat KUBE-SERVICES\n" in both
    assert "\n  filter KUBE-SERVICES\n" in both
    assert "There is no chain KUBE-FORWARD of the families ip and ip6" in said("node1", "table=nat", "chain=KUBE-FORWARD")
    nowhere = said("node1", "chain=KUBE-NOPE")
    assert " info · rules" in nowhere.splitlines()[0]
    assert "iptables-nft IPv6 on node1 has no chain KUBE-NOPE." in nowhere


@pytest.mark.parametrize(
    ("words", "near"),
    [
        ("rules node1 chain=KUBE-SERVICS", "KUBE-SERVICES, "),
        ("rules node3 chain=kube-nodports", "KUBE-NODEPORTS, "),
        ("nftables node2 chain=servces", "services\n"),
        ("rules node1 table=filter chain=KUBE-FORWARDS", "KUBE-FORWARD, "),
        ("rules shop/web chain=KUBE-SERVICS", "KUBE-SERVICES, "),
    ],
)
def test_a_mistyped_chain_is_followed_by_the_nearest_names(words: str, near: str) -> None:
    said = CliRunner().invoke(cli, ["check", *words.split(), "--from", str(DATA / "kube-proxy-1.36")]).stdout
    assert f" of the families ip and ip6; near it: {near}" in said


@pytest.mark.parametrize(
    "words",
    ["rules shop/web on node1 chain=FORWARD", "rules shop/web on node2 chain=services", "iptables shop/web chain=KUBE-NOPE"],
)
def test_a_chain_beside_a_service_is_shown_and_the_service_judged_as_without(words: str) -> None:
    said = report(words, DATA / "kube-proxy-1.36")
    assert {finding["id"] for finding in said["findings"]} <= {"no-such-rules"}
    assert any(node["ways"] for node in said["facts"]["nodes"].values())


@pytest.mark.parametrize("version", ["1.30", "1.36"])
def test_as_many_rules_of_nftables_are_counted_as_there_are(version: str) -> None:
    place = DATA / f"kube-proxy-{version}"
    rules = [each["rule"]["family"] for each in json.loads((place / "node2.nft.json").read_text())["nftables"] if "rule" in each]
    said = CliRunner().invoke(cli, ["check", "nftables", "node2", "--from", str(place)]).stdout
    assert re.findall(r"^  rules +(\d+)$", said, re.MULTILINE) == [str(rules.count(family)) for family in ("ip", "ip6")]


def test_a_tree_that_is_too_long_ends_and_says_so(tmp_path: Path) -> None:
    for name in ("services", "endpointslices", "nodes", "pods"):
        shutil.copy(DATA / "kube-proxy-1.36" / f"{name}.json", tmp_path)
    rules = "".join(f"-A KUBE-SERVICES -d 10.0.{n >> 8}.{n & 255}/32 -j ACCEPT\n" for n in range(3000))
    (tmp_path / "node1.iptables-save.txt").write_text(f"*nat\n:KUBE-SERVICES - [0:0]\n{rules}COMMIT\n")
    said = CliRunner().invoke(cli, ["check", "rules", "node1", "chain=KUBE-SERVICES", "--from", str(tmp_path)]).stdout
    assert "ends after 2,000 lines" in said


@pytest.mark.parametrize(
    ("name", "backend"), [("iptables-save.txt", "iptables-nft"), ("iptables-legacy-save.txt", "iptables-legacy")]
)
def test_a_save_without_its_first_line_is_of_the_backend_that_its_name_says(tmp_path: Path, name: str, backend: str) -> None:
    for objects in ("services", "endpointslices", "nodes", "pods"):
        shutil.copy(DATA / "kube-proxy-1.36" / f"{objects}.json", tmp_path)
    kept = [line for line in (DATA / "kube-proxy-1.36/node1.iptables-save.txt").read_text().splitlines() if line[:1] != "#"]
    (tmp_path / f"node1.{name}").write_text("\n".join(kept))
    ways = report("rules shop/web on node1", tmp_path)["facts"]["nodes"]["node1"]["ways"]
    assert [(way["backend"], way["from"]["pod"]["endpoints"]) for way in ways] == [(backend, EVERYWHERE)]
    (tmp_path / f"node1.{name}").write_text("")
    assert report("rules shop/web on node1", tmp_path)["verdict"] == "unknown"


@pytest.mark.parametrize("command", ["rules shop/web", "rules shop/web on node1", "ipvs shop/web on node1"])
def test_hints_without_a_list_of_nodes_leave_open_what_a_node_should_do(tmp_path: Path, command: str) -> None:
    slices = json.loads((objects_in(tmp_path) / "endpointslices.json").read_text())
    for endpoint in (e for each in slices["items"] for e in each["endpoints"] or ()):
        endpoint["hints"] = {"forZones": [{"name": "zone-1"}]}
    (tmp_path / "endpointslices.json").write_text(json.dumps(slices))
    (tmp_path / "nodes.json").unlink()
    shutil.copy(DATA / "kube-proxy-1.36/node1.iptables-save.txt", tmp_path)
    said = report(command, tmp_path)
    assert [(f["id"], f["subject"]) for f in said["findings"]] == [("unknown-cluster", "nodes")]
    assert said["verdict"] == "unknown"


def objects_in(folder: Path, vintage: str = "1.36") -> Path:
    for objects in OBJECTS:
        shutil.copy(DATA / f"kube-proxy-{vintage}" / f"{objects}.json", folder)
    return folder


def test_rules_that_lack_a_service_are_found(tmp_path: Path) -> None:
    text = (DATA / "kube-proxy-1.36/node1.iptables-save.txt").read_text()
    lines = [line for line in text.splitlines(keepends=True) if "-d 10.111.199.230/32" not in line]
    (objects_in(tmp_path) / "node1.iptables-save.txt").write_text("".join(lines))
    (found,) = report("rules shop/web on node1", tmp_path)["findings"]
    assert (found["id"], found["severity"], found["confidence"]) == ("service-rules-drift", "warning", "likely")
    assert (found["node"], found["subject"]) == ("node1", "shop/web:http")
    assert found["evidence"][0]["value"] == f"nothing; wanted: {', '.join(EVERYWHERE)}"
    assert report("rules shop/db on node1", tmp_path)["findings"] == []


def test_a_node_without_rules_for_services_is_never_healthy(tmp_path: Path) -> None:
    save = "# Generated by iptables-save v1.8.9 (nf_tables) on a day\n*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n"
    (objects_in(tmp_path) / "node1.iptables-save.txt").write_text(save)
    for words in ("rules shop/web on node1", "rules node1", "iptables shop/web on node1"):
        said = report(words, tmp_path)
        assert (said["verdict"], [f["id"] for f in said["findings"]]) == ("unknown", ["dataplane-not-evaluated"])
    assert report("rules shop/headless on node1", tmp_path)["verdict"] == "healthy"
    ends = "".join(f"-a -t 10.111.199.230:80 -r {end} -m -w 1\n" for end in EVERYWHERE)
    (tmp_path / "node1.ipvsadm.txt").write_text(f"-A -t 10.111.199.230:80 -s rr\n{ends}")
    assert report("rules shop/web on node1", tmp_path)["findings"] == []


def test_services_that_others_handle_and_addresses_that_bypass_nodes_are_not_missed(tmp_path: Path) -> None:
    services = json.loads((objects_in(tmp_path) / "services.json").read_text())
    for each in services["items"]:
        if each["metadata"]["name"] == "web-lb":
            each["status"]["loadBalancer"]["ingress"].append({"ip": "203.0.113.77", "ipMode": "Proxy"})
        elif each["metadata"]["name"] == "db":
            each["metadata"]["labels"] = {"service.kubernetes.io/service-proxy-name": "another"}
    (tmp_path / "services.json").write_text(json.dumps(services))
    shutil.copy(DATA / "kube-proxy-1.36/node1.iptables-save.txt", tmp_path)
    for words in ("rules shop/web-lb on node1", "rules 203.0.113.77 on node1", "rules shop/db on node1"):
        assert report(words, tmp_path)["findings"] == []


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


@pytest.mark.parametrize(
    ("saves", "verdict", "value"),
    [
        (("node1.iptables-save.txt",), "unknown", "node1.ip6tables-save.txt was not saved"),
        (("node2.nft.txt",), "unknown", "node2.nft.txt does not hold table ip6 kube-proxy"),
        (("node1.iptables-save.txt", "node1.ip6tables-save.txt"), "warning", "no rule is about it; wanted: refused at once"),
    ],
)
def test_a_family_of_which_nothing_was_saved_is_not_healthy(
    tmp_path: Path, saves: tuple[str, ...], verdict: str, value: str
) -> None:
    services = json.loads((objects_in(tmp_path) / "services.json").read_text())
    web = next(each["spec"] for each in services["items"] if each["metadata"]["name"] == "web")
    web["clusterIPs"].append("fd00:10:96::80")
    (tmp_path / "services.json").write_text(json.dumps(services))
    for name in saves:
        text = (DATA / f"kube-proxy-1.36/{name}").read_text()
        (tmp_path / name).write_text(text.partition("table ip6 kube-proxy")[0])
    said = report(f"rules shop/web on {saves[0][:5]}", tmp_path)
    assert (said["verdict"], [f["evidence"][0]["value"] for f in said["findings"]]) == (verdict, [value])


@pytest.mark.parametrize(
    ("table", "service", "verdict"),
    [("nat", "web", "healthy"), ("nat", "nobody", "unknown"), ("filter", "web", "unknown"), ("filter", "nobody", "unknown")],
)
def test_a_table_that_was_not_saved_is_not_one_without_rules(tmp_path: Path, table: str, service: str, verdict: str) -> None:
    text = (DATA / "kube-proxy-1.36/node1.iptables-save.txt").read_text()
    start = text.index(f"*{table}")
    (objects_in(tmp_path) / "node1.iptables-save.txt").write_text(text[start : text.index("COMMIT", start)] + "COMMIT\n")
    found = report(f"rules shop/{service} on node1", tmp_path)
    ids = {f["id"] for f in found["findings"]} - {"service-no-endpoints"}
    assert ids == ({"unknown-fact"} if verdict == "unknown" else set())


HEAD = "# Generated by iptables-save v1.8.9 (nf_tables) on a day\n"
VIEW = (DATA / "kube-proxy-1.36/node1.nft-view-of-iptables-nft.txt").read_text()
NO_SERVICES = f"{HEAD}*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n"


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("node1.nft.txt", VIEW, "node1.iptables-save.txt was not saved, only what nft shows of it"),
        (
            "node1.iptables-save.txt",
            f"# Table `nat' is incompatible, use 'nft' tool.\n{NO_SERVICES}",
            "node1.iptables-save.txt says that iptables could not print table nat",
        ),
        (
            "node1.iptables-save.txt",
            f"{NO_SERVICES}# Warning: iptables-legacy tables present, use iptables-legacy-save to see them\n",
            "node1.iptables-save.txt says that there are legacy tables, which were not saved",
        ),
    ],
)
def test_what_the_saved_text_says_it_does_not_hold_is_unknown(tmp_path: Path, name: str, text: str, reason: str) -> None:
    (objects_in(tmp_path) / name).write_text(text)
    said = report("rules shop/web on node1", tmp_path)
    assert [(f["id"], f["evidence"][0]["value"]) for f in said["findings"]] == [("unknown-fact", reason)]
    assert report("rules node1", tmp_path)["verdict"] == "unknown"


def test_nfts_view_of_iptables_shows_that_two_backends_hold_service_rules(tmp_path: Path) -> None:
    (objects_in(tmp_path) / "node1.nft.txt").write_text(VIEW)
    shutil.copy(DATA / "kube-proxy-1.36/node3.iptables-legacy-save.txt", tmp_path / "node1.iptables-legacy-save.txt")
    ids = [f["id"] for f in report("rules shop/web on node1", tmp_path)["findings"]]
    assert sorted(ids) == ["iptables-backends-mixed", "unknown-fact"]
    shutil.copy(DATA / "kube-proxy-1.36/node1.iptables-save.txt", tmp_path)
    (tmp_path / "node1.iptables-legacy-save.txt").unlink()
    assert report("rules shop/web on node1", tmp_path)["findings"] == []


def test_a_table_that_iptables_could_not_print_is_unknown_beside_others_of_services(tmp_path: Path) -> None:
    text = (DATA / "kube-proxy-1.36/node1.iptables-save.txt").read_text()
    start = text.index("*nat")
    without = text[:start] + "# Table `nat' is incompatible, use 'nft' tool.\n" + text[text.index("COMMIT", start) + 7 :]
    (objects_in(tmp_path) / "node1.iptables-save.txt").write_text(without)
    for service in ("web", "nobody"):
        ids = {f["id"] for f in report(f"rules shop/{service} on node1", tmp_path)["findings"]} - {"service-no-endpoints"}
        assert ids == {"unknown-fact"}


@pytest.mark.parametrize("command", ["rules", "ipvs"])
def test_addresses_with_leading_zeros_and_capitals_are_looked_for_as_rules_have_them(tmp_path: Path, command: str) -> None:
    folder = objects_in(tmp_path)
    services = json.loads((folder / "services.json").read_text())
    (web,) = (each for each in services["items"] if each["metadata"]["name"] == "web-ext")
    web["spec"] |= {"externalIPs": ["203.0.113.007", "FD00:10:96:0::0080"]}
    (folder / "services.json").write_text(json.dumps(services))
    shutil.copy(DATA / "kube-proxy-1.36/node1.iptables-save.txt", folder)
    said = report(f"{command} shop/web-ext on node1", folder)
    ways = said["facts"]["nodes"]["node1"].get("ways", [])
    assert [w["destination"] for w in ways] == (["10.103.234.115:80/tcp", "203.0.113.7:80/tcp"] if command == "rules" else [])
