"""Rules to which no hook of the kernel leads do nothing, however right they are: what a firewall's reload leaves behind."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from node_helper.netfilter.records import Ruleset
from tests.rule_samples import SMALL, parsed, small
from tests.unit.saved_files import SAMPLES, objects_in, report
from workers.rules.resolve import Frontend, Rules
from workers.rules.steps import Source

RECORDED = [n for n in SMALL if "ip6" not in n]
TEXTS = [n for n in RECORDED if not n.endswith(".json")]
WEB = Frontend("ip", "10.111.199.230", 80, "tcp")
PORTALS = r"\n(\S+ )?-A (PREROUTING|OUTPUT) [^\n]*service portals[^\n]*"
NOBODY = Frontend("ip", "10.108.185.140", 80, "tcp")


def without(text: str, *forms: str) -> str:
    for form in forms:
        text = re.sub(form, "", text)
    return text


def outcomes(ruleset: Ruleset, frontend: Frontend) -> dict[Source, str]:
    return {source: path.outcome for source, path in Rules(ruleset).route(frontend).paths.items()}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("hook", ["prerouting", "output"])
def test_what_a_hook_does_not_lead_to_does_nothing_for_its_packets(name: str, hook: str) -> None:
    text = small(name)[2]
    nat = text.index("*nat") if ".nft" not in name else 0
    form = (
        rf"(?<=chain nat-{hook} {{\n)(\t+type[^\n]*\n)\t+jump services\n"
        if ".nft" in name
        else rf"\n[^\n]*-A {hook.upper()} [^\n]*"
    )
    cut = re.sub(form, r"\1" if ".nft" in name else "", text[nat:])
    assert cut != text[nat:]
    said = outcomes(parsed(name, text[:nat] + cut), WEB)
    dead = {Source.NODE} if hook == "output" else {Source.POD, Source.OUTSIDE}
    assert said == {source: "nothing" if source in dead else "endpoints" for source in Source}


@pytest.mark.parametrize("name", TEXTS)
def test_a_rule_that_takes_every_packet_before_them_makes_them_do_nothing(name: str) -> None:
    text = small(name)[2]
    nat = text.index("*nat") if ".nft" not in name else 0
    if ".nft" in name:
        cut = re.sub(r"(\t+)(jump services\n)", r"\1accept\n\1\2", text[nat:])
    else:
        cut = re.sub(r"\n((?:\S+ )?)(-A (?:PREROUTING|OUTPUT)) ", r"\n\1\2 -j ACCEPT\n\1\2 ", text[nat:])
    assert cut != text[nat:]
    assert set(outcomes(parsed(name, text[:nat] + cut), WEB).values()) == {"nothing"}


@pytest.mark.parametrize("name", TEXTS)
def test_what_the_filter_is_not_led_to_is_not_refused(name: str) -> None:
    text = small(name)[2]
    cut = without(
        text, r"\t+ct state new jump service-endpoints-check\n", r"\n[^\n]*-A (INPUT|FORWARD|OUTPUT) [^\n]*ctstate NEW[^\n]*"
    )
    assert set(outcomes(parsed(name, text), NOBODY).values()) == {"reject"}
    assert set(outcomes(parsed(name, cut), NOBODY).values()) == {"nothing"}


def test_a_chain_between_hook_and_services_leads_there() -> None:
    name = "kube-proxy-1.36/node1.iptables-save.txt"
    text = (
        small(name)[2]
        .replace(":KUBE-MARK-MASQ -", ":MINE - [0:0]\n:KUBE-MARK-MASQ -")
        .replace(
            '-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
            "-A PREROUTING -j MINE\n-A MINE -g KUBE-SERVICES",
        )
    )
    assert "-A MINE" in text
    assert set(outcomes(parsed(name, text), WEB).values()) == {"endpoints"}


def test_where_no_base_chain_was_read_hooks_are_not_judged() -> None:
    name = "kube-proxy-1.36/node1.iptables-save.txt"
    text = without(
        small(name)[2],
        r"\n:(PREROUTING|INPUT|FORWARD|OUTPUT|POSTROUTING) [^\n]*",
        r"\n-A (PREROUTING|INPUT|FORWARD|OUTPUT|POSTROUTING) [^\n]*",
    )
    assert set(outcomes(parsed(name, text), WEB).values()) == {"endpoints"}


@pytest.mark.parametrize("flags", ["dormant", ["dormant"], "dormant,persist"])
def test_a_dormant_table_does_nothing(flags: Any) -> None:
    name = "kube-proxy-1.36/node2.nft.json"
    said = json.loads(small(name)[2])
    next(each["table"] for each in said["nftables"] if "table" in each)["flags"] = flags
    text = small("kube-proxy-1.36/node2.nft.txt")[2].replace("{\n", "{\n\tflags dormant\n", 1)
    for ruleset in (parsed(name, json.dumps(said)), parsed("node2.nft.txt", text)):
        assert [t.dormant for t in ruleset.tables] == [True, False]
        assert set(outcomes(ruleset, WEB).values()) == {"nothing"}


@pytest.mark.parametrize(
    ("file", "form", "why"),
    [
        ("node1.iptables-save.txt", PORTALS, "PREROUTING of table nat does not lead to KUBE-SERVICES"),
        ("node3.iptables-legacy-save-c.txt", PORTALS, "PREROUTING of table nat does not lead to KUBE-SERVICES"),
        ("node2.nft.txt", r"\t+jump services\n", "hook prerouting of table kube-proxy does not lead to services"),
    ],
)
def test_a_saved_node_whose_hooks_lead_nowhere_has_drifted(tmp_path: Path, file: str, form: str, why: str) -> None:
    objects_in(tmp_path)
    (tmp_path / file).write_text(without((SAMPLES / file).read_text(), form))
    (found,) = report(f"rules shop/web on {file[:5]}", tmp_path)["findings"]
    assert found["id"] == "service-rules-drift"
    assert found["evidence"][0]["value"].startswith(f"nothing: {why}; wanted: ")


@pytest.mark.parametrize("name", [n for n in TEXTS if ".nft" in n])
def test_base_chains_of_a_type_of_which_none_was_read_are_not_missed(name: str) -> None:
    """A node hands out the base chains that translate, not those that filter."""
    whole = parsed(name, small(name)[2])
    tables = (replace(t, chains=tuple(c for c in t.chains if "type filter" not in c.hook)) for t in whole.tables)
    assert set(outcomes(replace(whole, tables=tuple(tables), partial=True), NOBODY).values()) == {"reject"}
