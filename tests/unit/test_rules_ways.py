"""What is read of the way from a table's base chains to kube-proxy's: that it is there, and little of what else hangs on them."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from typing import Literal, cast

import pytest

from node_helper.facts import service_rules
from node_helper.kernel import Kernel
from node_helper.linux.netlink import Netlink, attribute
from node_helper.linux.nf_tables import Tables
from node_helper.netfilter.about import About, leads, met
from node_helper.netfilter.legacy import INFO, Blob
from node_helper.netfilter.records import Chain, Destination, Rule, Ruleset, Table, Wanted
from node_helper.netfilter.ways import MOST, ways
from tests.rule_samples import DATA
from workers.rules.resolve import Frontend, Rules

LEGACY = (DATA / "kernel-rules" / "legacy-nat.bin").read_bytes()
WEB = Frontend("ip", "10.111.199.230", 80, "tcp")
TO = ("KUBE-SERVICES",)


def found(**chains: tuple[str, ...]) -> dict[str, list[str]]:
    known = {name: Chain(name, tuple(map(Rule, rules))) for name, rules in chains.items()}
    return {c.name: [r.spec for r in c.rules] for c in ways(("PREROUTING", "OUTPUT"), TO, known.get, leads)}


def test_a_hook_that_leads_there_is_followed_no_further() -> None:
    rules = ("-p udp -j ACCEPT", "-j OTHER", "-j KUBE-SERVICES")
    assert found(PREROUTING=rules, OTHER=("-j MORE",), MORE=()) == {"PREROUTING": ["-j OTHER", "-j KUBE-SERVICES"]}


@pytest.mark.parametrize(
    ("rule", "ends"),
    [
        ("-j ACCEPT", True),
        ('-m comment --comment "all \\"of\\" them -j" -j RETURN', True),
        ("-m comment --comment all -j DNAT --to-destination 10.0.0.1:80", True),
        ("-j REJECT --reject-with icmp-port-unreachable", True),
        ("-g ELSEWHERE", True),
        ("-i eth0 -j ACCEPT", False),
        ("! -s 10.0.0.0/8 -j ACCEPT", False),
        ("-m set --match-set some src -j DROP", False),
        ("-j ACCEPTED", False),
        ("-j LOG --log-prefix ACCEPT", False),
        ("-j MARK --set-xmark 0x1/0x1", False),
        ("accept", True),
        ("counter packets 7 bytes 900 drop", True),
        ('counter return comment "nothing more"', True),
        ("goto elsewhere", True),
        ("ip daddr 10.0.0.1 accept", False),
        ("jump elsewhere", False),
    ],
)
def test_what_stands_behind_a_rule_at_which_every_packet_ends_is_not_met(rule: str, *, ends: bool) -> None:
    assert len([*met((Rule(rule), Rule("-j KUBE-SERVICES")))]) == (1 if ends else 2)
    assert len([*met((Rule(rule, unread=("a match",)), Rule("-j KUBE-SERVICES")))]) == 2


def test_a_way_through_other_chains_is_read() -> None:
    said = found(PREROUTING=("-j MINE",), MINE=("-g KUBE-SERVICES",), OUTPUT=(), KUBE=())
    assert said == {"PREROUTING": ["-j MINE"], "OUTPUT": [], "MINE": ["-g KUBE-SERVICES"]}


def test_where_too_much_hangs_on_a_hook_no_way_is_told() -> None:
    many = {f"C{n}": () for n in range(MOST)}
    assert found(PREROUTING=tuple(f"-j {name}" for name in many), **many) == {}


@pytest.mark.parametrize("hooked", [True, False])
def test_of_a_legacy_table_the_part_about_a_service_has_its_way_from_the_hooks(*, hooked: bool) -> None:
    blob = Blob(LEGACY[: INFO.size], LEGACY[INFO.size :], socket.AF_INET)
    part = blob.reach(TO, About((Destination(WEB.address, WEB.port, WEB.protocol),), socket.AF_INET), 100)
    assert part is not None
    way = ways(("PREROUTING", "OUTPUT"), TO, blob.chain if hooked else _emptied(blob), leads)
    assert [len(chain.rules) for chain in way] == [int(hooked)] * 2
    table = Table("ip", "nat", (*part, *way))
    paths = Rules(Ruleset("iptables-legacy", (table,), partial=True)).route(WEB).paths
    assert {path.outcome for path in paths.values()} == {"endpoints" if hooked else "nothing"}


def _emptied(blob: Blob) -> Callable[[str], Chain | None]:
    return lambda name: Chain(name, ()) if blob.chain(name) else None


class _Kernel:
    """Answers every question with the same attributes."""

    def __init__(self, *parts: bytes) -> None:
        self._body = struct.pack("=BBH", 2, 0, 0) + b"".join(parts)

    def get(self, _kind: int, _body: bytes) -> bytes:
        return self._body


def tables(*parts: bytes) -> Tables:
    return Tables(cast("Netlink", _Kernel(*parts)), "ip", hooks=True)


def test_the_hook_of_a_base_chain_is_told_as_nft_prints_it() -> None:
    hook = attribute(4, attribute(1, struct.pack(">I", 3)) + attribute(2, struct.pack(">i", -100)))
    named, kind, policy = attribute(3, b"nat-output\0"), attribute(7, b"nat\0"), attribute(5, struct.pack(">I", 1))
    chain = tables(named, hook, kind, policy).chain("kube-proxy", "nat-output")
    assert chain is not None
    assert chain.hook == "type nat hook output priority -100; policy accept;"
    inner = tables(named).chain("kube-proxy", "nat-output")
    assert inner is not None
    assert inner.hook == ""


@pytest.mark.parametrize(("flags", "dormant"), [(0, False), (1, True), (2, False), (3, True)])
def test_a_table_that_sleeps_is_told(*, flags: int, dormant: bool) -> None:
    assert tables(attribute(1, b"kube-proxy\0"), attribute(2, struct.pack(">I", flags))).dormant("kube-proxy") == dormant


class _Asked:
    """A kernel that notes what tables it was asked for, and has none."""

    def __init__(self) -> None:
        self.bases: dict[str, tuple[str, ...]] = {}

    def own_netns(self) -> None:
        return None

    def filter_rules(self, _netns: None, wanted: Wanted) -> None:
        self.bases[wanted.table] = wanted.bases


@pytest.mark.parametrize("backend", ["iptables-nft", "iptables-legacy", "nftables"])
def test_a_question_about_a_service_asks_for_the_way_from_the_hooks(backend: Literal["iptables-nft", "nftables"]) -> None:
    kernel = _Asked()
    service_rules.collect(
        cast("Kernel", kernel), service_rules.Query(backend, "ip", (Destination(WEB.address, WEB.port, "tcp"),))
    )
    native = {"kube-proxy": ("nat-prerouting", "nat-output")}
    assert kernel.bases == (native if backend == "nftables" else {"nat": ("PREROUTING", "OUTPUT"), "filter": ()})
