"""The text of many rules, which is printed here and not by their tool."""

from __future__ import annotations

from dataclasses import replace

from bot.commands import parse
from node_helper.facts import rules_text
from node_helper.facts.backends import Backends
from node_helper.netfilter.records import Chain, FilterTable, Rule, Table, Wanted
from node_helper.records import Completed
from tests.pretend_kernel import PretendKernel
from workers.check import View
from workers.checks import catalogue
from workers.checks._rules_seen import Params, Seen
from workers.checks._rules_show import show
from workers.objects import Cluster
from workers.rules import saved_iptables

QUERY = rules_text.Query("iptables-nft", "ip")


def kernel(rules: int, words: str = "-j RETURN") -> PretendKernel:
    chains = (
        Chain("KUBE-B", tuple(Rule(words, n, 2 * n) for n in range(rules)), packets=0, bytes=0),
        Chain("KUBE-A", (Rule("-m odd", 1, 2, unread=("odd",)),), packets=0, bytes=0),
        Chain("PREROUTING", (Rule("-j KUBE-B", 1, 2),), "ACCEPT", packets=3, bytes=4),
    )

    def read(wanted: Wanted) -> Table:
        return Table(wanted.family, wanted.table, chains)

    tables = (FilterTable("iptables-nft", "ip", "nat", rules=True, services=True),)
    return PretendKernel(filters=tables, rules_of=read, tools=lambda argv: Completed(0, f"# {argv[0]}\n", ""))


def test_few_are_what_the_tool_prints() -> None:
    assert rules_text.collect(kernel(10), QUERY).text == "# iptables-nft-save\n"


def test_many_are_printed_as_the_tool_does_and_read_back() -> None:
    said = rules_text.collect(kernel(20_000), QUERY)
    lines = said.text.splitlines()
    assert not said.cut
    assert lines[1:5] == ["*nat", ":PREROUTING ACCEPT [3:4]", ":KUBE-A - [0:0]", ":KUBE-B - [0:0]"]
    assert lines[5:9] == [
        "[1:2] -A PREROUTING -j KUBE-B",
        "# the next rule holds more than could be read: odd",
        "[1:2] -A KUBE-A -m odd",
        "[0:0] -A KUBE-B -j RETURN",
    ]
    assert saved_iptables.parse(said.text, "ip").backend == "iptables-nft"
    assert len(saved_iptables.parse(said.text, "ip").tables[0].chains) == 3


def test_too_many_end_at_a_whole_line_within_the_budget_and_say_so() -> None:
    said = rules_text.collect(kernel(30_000, "-j RETURN " + "x" * 400), QUERY)
    assert said.cut
    assert 8_000_000 < len(said.text) <= 8 << 20
    assert said.text.endswith("x\n")
    seen = Seen(None, ("node-a",), {"node-a": Backends(())}, texts={("node-a", "iptables-nft", "ip"): said})
    asked = parse("rules node/node-a", catalogue())
    assert isinstance(asked.params, Params)
    shown = show(asked.params, View(Cluster("c", "now"), "default", "now"), seen)
    assert "The file of iptables-nft on node-a ends at 8 MiB: what follows was cut." in shown.notes
    whole = replace(seen, texts={place: replace(said, cut=False) for place in seen.texts})
    assert not any("was cut" in n for n in show(asked.params, View(Cluster("c", "now"), "default", "now"), whole).notes)
