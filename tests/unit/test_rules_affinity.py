"""Clients stay with their endpoint only where each endpoint's clients are recorded, and those records lead back to it alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from node_helper.netfilter.records import Ruleset
from tests.rule_samples import SMALL, parsed, small
from tests.unit.saved_files import SAMPLES, objects_in, report
from workers.rules.affinity import Check, affinity
from workers.rules.resolve import Frontend, Rules
from workers.rules.resolve import Path as Way
from workers.rules.steps import Source

TEXTS = [n for n in SMALL if "ip6" not in n and not n.endswith(".json")]
ENDS = ("10.1.0.1:80", "10.1.0.2:80")
GOOD = {"one": Check(60, ENDS[:1]), "two": Check(60, ENDS[1:])}
RECORDED = {ENDS[0]: frozenset({"one"}), ENDS[1]: frozenset({"two"})}


def way(ruleset: Ruleset) -> Way:
    return Rules(ruleset).route(Frontend("ip", "10.106.28.217", 80, "tcp")).paths[Source.POD]


def test_affinity_holds_where_every_endpoint_is_recorded_and_looked_for() -> None:
    assert affinity(ENDS, GOOD, RECORDED) == (60, ())
    assert affinity(ENDS, {}, RECORDED) == (None, ())


@pytest.mark.parametrize(
    ("checks", "records", "why"),
    [
        (GOOD, {**RECORDED, ENDS[1]: frozenset({"one"})}, "no rule records the clients of 10.1.0.2:80"),
        ({"one": GOOD["one"]}, RECORDED, "no rule sends clients back to 10.1.0.2:80"),
        ({**GOOD, "gone": Check(60, ("10.1.0.9:80",))}, RECORDED, "clients in gone are sent to 10.1.0.9:80"),
        ({**GOOD, "gone": Check(60, ())}, RECORDED, "clients in gone are sent to no endpoint"),
        ({**GOOD, "one": Check(61, ENDS[:1])}, RECORDED, "the time differs between endpoints"),
        ({name: Check(None, check.leads) for name, check in GOOD.items()}, RECORDED, "clients are never forgotten"),
    ],
)
def test_where_it_does_not_hold_the_reason_is_told(
    checks: dict[str, Check], records: dict[str, frozenset[str]], why: str
) -> None:
    assert affinity(ENDS, checks, records) == (None, (why,))


@pytest.mark.parametrize("name", TEXTS)
def test_clients_that_are_sent_to_another_service_are_told(name: str) -> None:
    text = small(name)[2]
    other = re.search(r"(KUBE-SEP-\S+) [^\n]*DNAT --to-destination 10\.245\.1\.20:5432", text)
    there = other[1] if other else "service-MI2XOZ6T-shop/db/tcp/pg"
    wrong = re.sub(r"(-m recent --rcheck [^\n]* -j|ip saddr @affinity-3MKYL5CA\S+ goto) \S+", rf"\1 {there}", text, count=1)
    assert wrong != text
    found = way(parsed(name, wrong))
    assert found.sticky_s is None
    assert any(said.endswith(" are sent to 10.245.1.20:5432") for said in found.unsteady)


@pytest.mark.parametrize(
    ("file", "record"), [("node1.iptables-save.txt", r" -m recent --set .*? --rsource"), ("node2.nft.txt", r"\t+update @.*\n")]
)
def test_a_service_whose_clients_nobody_records_is_not_healthy_and_not_sticky(tmp_path: Path, file: str, record: str) -> None:
    objects_in(tmp_path)
    (tmp_path / file).write_text(re.sub(record, "", (SAMPLES / file).read_text()))
    said = report(f"rules shop/web-aff on {file[:5]}", tmp_path)
    assert [f["id"] for f in said["findings"]] == ["service-rules-drift"]
    assert said["findings"][0]["evidence"][0]["value"].startswith("none: no rule records the clients of 10.244.1.1:8080")
    assert {way["from"]["pod"]["sticky_s"] for way in said["facts"]["nodes"][file[:5]]["ways"]} == {None}
