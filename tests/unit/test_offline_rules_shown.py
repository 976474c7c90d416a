"""What `rules`, `iptables` and `nftables` show of saved rules: whole nodes, tables, chains and trees, in the tools' own text."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from bot.cli import cli
from tests.rule_samples import DATA
from tests.unit.saved_files import SAMPLES, asked, objects_in, report


@pytest.mark.parametrize("words", ["iptables node1", "nftables node2", "rules node3", "iptables node1 chain=KUBE-MARK-MASQ"])
def test_a_whole_node_and_one_chain_are_shown(words: str) -> None:
    assert report(words, SAMPLES)["verdict"] == "healthy"


def test_the_raw_text_of_nftables_is_what_nft_lists_of_each_family(tmp_path: Path) -> None:
    text = (SAMPLES / "node2.nft.txt").read_text()
    files = tmp_path / "files"
    argv = ["check", "rules", "node2", "--from", str(SAMPLES), "--files", str(files)]
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
    first = json.loads(asked(f"rules {node}", saved, "--output", "json", "--files", str(written)).stdout)
    again = report(f"rules {node}", written)
    for said in (first, again):
        for save in said["facts"]["nodes"][node]["saves"]:
            del save["command"]  # which file it was
    assert first["verdict"] == "healthy"
    assert (again["facts"], again["findings"]) == (first["facts"], [])


@pytest.mark.parametrize(
    ("words", "file", "first", "last"),
    [
        ("rules node1 table=nat", "node1.iptables-save-c.part.txt", "*nat", "COMMIT"),
        ("rules node3 table=filter", "node3.iptables-legacy-save-c.part.txt", "*filter", "COMMIT"),
        ("nftables node2 table=kube-proxy", "node2.nft-ip6.part.txt", "table ip6 kube-proxy {", "}"),
    ],
)
def test_of_one_table_only_its_own_text_is_shown(tmp_path: Path, words: str, file: str, first: str, last: str) -> None:
    argv = ["check", *words.split(), "--from", str(SAMPLES), "--files", str(tmp_path)]
    assert CliRunner().invoke(cli, argv).exit_code == 0
    lines = (tmp_path / file).read_text().splitlines()
    assert (lines[0], lines[-1], lines.count(first)) == (first, last, 1)


def test_a_table_that_is_nowhere_is_said_so_and_a_chain_of_nftables_has_its_rules() -> None:
    def said(*words: str) -> str:
        return CliRunner().invoke(cli, ["check", *words, "--from", str(SAMPLES)]).stdout

    assert "There is no table raw in iptables-nft of the families ip and ip6: there are filter, mangle, nat" in said(
        "rules", "node1", "table=raw"
    )
    assert "    ip daddr . meta l4proto . th dport vmap @service-ips\n" in said("nftables", "node2", "chain=services")
    assert "Chains in iptables-nft IPv4" not in said("rules", "shop/web", "on", "node1", "table=mangle")


def test_a_chain_is_found_in_whatever_table_it_is() -> None:
    def said(*words: str) -> str:
        return CliRunner().invoke(cli, ["check", "rules", *words, "--from", str(SAMPLES)]).stdout

    assert "\n  filter KUBE-FORWARD\n" in said("node1", "chain=KUBE-FORWARD")
    both = said("node1", "chain=KUBE-SERVICES")
    assert "\n  nat KUBE-SERVICES\n" in both
    assert "\n  filter KUBE-SERVICES\n" in both
    only = said("node1", "table=nat", "chain=KUBE-FORWARD")
    assert "There is no chain KUBE-FORWARD in table nat in iptables-nft of the families ip and ip6" in only
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
    said = asked(words, SAMPLES).stdout
    whole = re.search("node[12]", words)  # of node3 only the rules of IPv4 were saved
    assert f" of {'the families ip and ip6' if whole else 'the family ip'}; near it: {near}" in said
    assert ("node3.ip6tables-legacy-save.txt was not saved" in said) == (not whole)


@pytest.mark.parametrize(
    "words",
    [
        "rules shop/web on node1 chain=FORWARD",
        "rules shop/web on node2 chain=services",
        "iptables shop/web on node1 chain=KUBE-NOPE",
    ],
)
def test_a_chain_beside_a_service_is_shown_and_the_service_judged_as_without(words: str) -> None:
    said = report(words, SAMPLES)
    assert {finding["id"] for finding in said["findings"]} <= {"no-such-rules"}
    assert any(node["ways"] for node in said["facts"]["nodes"].values())


@pytest.mark.parametrize("version", ["1.30", "1.36"])
def test_as_many_rules_of_nftables_are_counted_as_there_are(version: str) -> None:
    place = DATA / f"kube-proxy-{version}"
    rules = [each["rule"]["family"] for each in json.loads((place / "node2.nft.json").read_text())["nftables"] if "rule" in each]
    said = CliRunner().invoke(cli, ["check", "nftables", "node2", "--from", str(place)]).stdout
    assert re.findall(r"^  rules +(\d+)$", said, re.MULTILINE) == [str(rules.count(family)) for family in ("ip", "ip6")]


def test_a_tree_that_is_too_long_ends_and_says_so(tmp_path: Path) -> None:
    objects_in(tmp_path)
    rules = "".join(f"-A KUBE-SERVICES -d 10.0.{n >> 8}.{n & 255}/32 -j ACCEPT\n" for n in range(3000))
    (tmp_path / "node1.iptables-save.txt").write_text(f"*nat\n:KUBE-SERVICES - [0:0]\n{rules}COMMIT\n")
    said = CliRunner().invoke(cli, ["check", "rules", "node1", "chain=KUBE-SERVICES", "--from", str(tmp_path)]).stdout
    assert "ends after 2,000 lines" in said


def test_what_nft_prints_with_handles_is_cut_out_as_without(tmp_path: Path) -> None:
    text = (SAMPLES / "node2.nft.txt").read_text()
    handled = re.sub(r"^(\t?(?:table|chain|map|set) .*\{)$", r"\1 # handle 7", text, flags=re.MULTILINE)
    (objects_in(tmp_path) / "node2.nft.txt").write_text(handled)
    files = tmp_path / "files"
    said = json.loads(asked("rules node2", tmp_path, "--output", "json", "--files", str(files)).stdout)
    plain = report("rules node2", SAMPLES)
    assert (said["verdict"], said["facts"]) == (plain["verdict"], plain["facts"])
    assert "".join((files / f"node2.nft-{family}.txt").read_text() for family in ("ip", "ip6")) == handled


def test_a_table_that_cannot_be_cut_out_is_unknown_and_no_empty_file(tmp_path: Path) -> None:
    text = (SAMPLES / "node2.nft.txt").read_text()
    (objects_in(tmp_path) / "node2.nft.txt").write_text("".join(f"  {line}" for line in text.splitlines(keepends=True)))
    said = report("rules node2", tmp_path)
    assert (said["verdict"], said["files"]) == ("unknown", [])
    assert [f["evidence"][0]["value"] for f in said["findings"]] == [
        f"node2.nft.txt has no line 'table {family} kube-proxy {{' as the tool prints it" for family in ("ip", "ip6")
    ]


FIREWALL = """table ip firewall {
	chain input {
		type filter hook input priority filter; policy accept;
		tcp dport 22 accept
	}
}
"""


def test_tables_of_nftables_that_are_not_kube_proxys_are_there(tmp_path: Path) -> None:
    text = (SAMPLES / "node2.nft.txt").read_text()
    (objects_in(tmp_path) / "node2.nft.txt").write_text(text + FIREWALL)
    assert "  tcp dport 22 accept\n" in asked("nftables node2 chain=input", tmp_path).stdout
    said = report("nftables node2 table=firewall", tmp_path)
    assert [save["rules"] for save in said["facts"]["nodes"]["node2"]["saves"]] == [1]
    whole, plain = (report("rules node2", folder)["facts"]["nodes"]["node2"] for folder in (tmp_path, SAMPLES))
    assert (whole["saves"], len(whole["tables"])) == (plain["saves"], len(plain["tables"]) + 1)


def test_what_nft_shows_of_iptables_tables_is_no_table_of_nftables(tmp_path: Path) -> None:
    (objects_in(tmp_path) / "node1.nft.txt").write_text(FIREWALL.replace("firewall", "security"))
    tables = report("rules node1", tmp_path)["facts"]["nodes"]["node1"]["tables"]
    assert [(table["backend"], table["table"]) for table in tables] == [("iptables-nft", "security")]
