"""In a channel that others read no name and no address is said, in whatever text it stands."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reports import REPORTS, report
from workers.model import Evidence, Finding, Report, Severity, Shown, Table
from workers.objects import Cluster, Container, Node, Owner, Pod, Service
from workers.redaction import names
from workers.redaction.pseudonyms import Pseudonyms
from workers.redaction.redact import NOTE, Redactor
from workers.render import blocks, terminal
from workers.render.fallback import plain

KEY = Pseudonyms(b"k" * 32)


def pod(name: str, on: str, *ips: str, owner: Owner | None = None) -> Pod:
    containers = (Container("nginx", ready=True, restarts=0, state="running"),)
    labels = {"app": "frontend"}
    return Pod("shop", name, "uid", on, "Running", ips, "", "", labels, host_network=False, containers=containers, owner=owner)


def node(name: str, addresses: tuple[str, ...]) -> Node:
    return Node(name, ready=True, addresses=addresses, pod_cidrs=(), labels={}, runtime="")


WEB = pod("web-5b446dd74b-pxtzt", "node-one", "10.244.1.4", "fd00::1", owner=Owner("ReplicaSet", "web-5b446dd74b"))
SHOP = Cluster(
    "lab",
    "",
    pods={WEB.key: WEB},
    nodes={"node-one": node("node-one", ("172.18.0.3", "node-one.example.com"))},
    services={("shop", "db"): Service("shop", "db", "ClusterIP", ("10.96.0.7",), (), {"app": "database"})},
)
REDACTOR = Redactor(KEY, names.of_cluster(SHOP))


def said(text: str) -> str:
    return REDACTOR.text(text)


def pseudonym(kind: str, name: str) -> str:
    return KEY.of(kind, name)


def test_pseudonyms_are_stable_and_need_the_key() -> None:
    assert KEY.of("pod", "web") == KEY.of("pod", "WEB") == "pod-" + KEY.of("node", "web").removeprefix("node-")
    assert Pseudonyms(b"l" * 32).of("pod", "web") != KEY.of("pod", "web")
    assert len(KEY.of("pod", "web")) == len("pod-12345678")
    assert "kkk" not in repr(KEY)


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("web-5b446dd74b-pxtzt", "pod", "web-5b446dd74b-pxtzt"),
        ("node-one", "node", "node-one"),
        ("node-one.example.com", "node", "node-one.example.com"),
        ("DB", "svc", "db"),
        ("shop", "ns", "shop"),
        ("nginx", "name", "nginx"),
        ("frontend", "name", "frontend"),
        ("web-5b446dd74b", "app", "web-5b446dd74b"),
        ("10.244.1.4", "ip", "10.244.1.4"),
        ("192.0.2.1", "ip", "192.0.2.1"),
        ("fd00::1", "ip", ipaddress.IPv6Address("fd00::1").exploded),
        ("FD00:0::0001", "ip", ipaddress.IPv6Address("fd00::1").exploded),
        ("aa:bb:cc:dd:ee:ff", "mac", "aa:bb:cc:dd:ee:ff"),
        ("AA-BB-CC-DD-EE-FF", "mac", "aa:bb:cc:dd:ee:ff"),
        ("api.internal.example.com", "name", "api.internal.example.com"),
        ("4.1.244.10.in-addr.arpa", "name", "4.1.244.10.in-addr.arpa"),
        ("ip-10-0-3-7", "name", "ip-10-0-3-7"),
        ("gone-7d9f8c6b5-x2x4z", "name", "gone-7d9f8c6b5-x2x4z"),
        ("veth4f7342d", "name", "veth4f7342d"),
        ("KUBE-SVC-TCOU7JCQXEZGVUNU", "name", "KUBE-SVC-TCOU7JCQXEZGVUNU"),
        ("0123456789abcdef0123", "name", "0123456789abcdef0123"),
        ("some-pod-of-wh…", "name", "some-pod-of-wh…"),
    ],
)
@pytest.mark.parametrize(
    "around", ["{}", "({})", "to {}, then", "{}:8080", "{}/24", "x={}", "'{}'", "/{}/", "<{}>", "_{}_", "…{}\u202e"]
)
def test_names_and_addresses_are_replaced_wherever_they_stand(text: str, kind: str, name: str, around: str) -> None:
    if around == "{}:8080" and kind == "ip":
        around = "[{}]:8080"
    if around == "_{}_" and "…" in text:
        around = "{}_"
    assert said(around.format(text)) == around.format(pseudonym(kind, name))


def test_names_within_longer_ones_are_replaced_too() -> None:
    assert (
        said("db.shop.svc.cluster.local")
        == f"{pseudonym('svc', 'db')}.{pseudonym('ns', 'shop')}.{pseudonym('name', 'svc.cluster.local')}"
    )
    assert said("shop_db") == f"{pseudonym('ns', 'shop')}_{pseudonym('svc', 'db')}"
    assert said("dbs and webshop") == "dbs and webshop"


@pytest.mark.parametrize(
    "text",
    [
        "net.netfilter.nf_conntrack_max = 262144",
        "nf_conntrack: table full, dropping packet",
        "kube-proxy v1.30.2 in 0.41 s, 100ms, 3/5",
        "2026-01-01T00:00:00.123Z at 12:30:45",
        "iptables-nft ip6tables nf_tables /etc/resolv.conf",
        "eth0 mtu 1450 state UP, inode 4026532890",
        "default/kubernetes -p tcp --dport 53 -j DNAT",
        "Read-only, check-then-write.",
    ],
)
def test_words_numbers_and_settings_stay(text: str) -> None:
    assert said(text) == text


def test_time_is_no_hiding_place() -> None:
    assert "10.0.0.1" not in said("2026-01-01T00:00:00.10.0.0.1") + said("2026-01-01T10.0.0.1Z")


def test_a_report_has_no_files_no_buttons_and_a_note() -> None:
    found = REDACTOR.report(REPORTS["both"])
    assert (found.shown.files, found.shown.facts, found.shown.notes[0]) == ((), {}, NOTE)
    assert [f.look_further for f in found.findings] == ["", ""]
    assert [(f.id, f.severity, f.confidence) for f in found.findings] == [
        (f.id, f.severity, f.confidence) for f in REPORTS["both"].findings
    ]


def test_names_come_from_facts_and_from_the_words_of_the_command() -> None:
    facts = {
        "pod": "pay/till",
        "nodes": {"west": {"endpoints": []}},
        "interfaces": [{"name": "uplink"}],
        "ports": [{"name": "http"}],
    }
    assert set(names.of_facts(facts)) == {"pay", "till", "west"}
    assert set(names.of_words({"source": "pay/till", "raw": "addr", "n": "12345"}, but=("addr",))) == {"pay", "till"}


NAMES = st.from_regex(r"zq[a-z0-9]{3,9}((-|\.)[a-z0-9]{1,5}){0,2}", fullmatch=True)
ADDRESSES = st.one_of(
    st.ip_addresses(v=4).filter(lambda ip: len(str(ip)) > 8).map(str),
    st.ip_addresses(v=6).filter(lambda ip: len(str(ip)) > 8 and ":" in str(ip)).map(str),
)
BETWEEN = st.sampled_from(
    [" ", "/", ", ", "=", "(", ")", "`", "<!", ">", "\n", "\u202e", "'", '"', " - ", "_", "|", "@", "\x00", "…", "&"]
)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Cluster, Report, list[str]]:
    """A cluster, a report that says all of its names and addresses everywhere, and these."""
    pods, nodes = draw(st.lists(NAMES, min_size=1, max_size=4)), draw(st.lists(NAMES, min_size=1, max_size=3))
    ips = draw(st.lists(ADDRESSES, min_size=1, max_size=4))
    secret = [*pods, *nodes, *ips]

    def text() -> str:
        return "".join(draw(BETWEEN) + each for each in draw(st.permutations(secret))) + draw(BETWEEN)

    cluster = Cluster(
        "lab", "",
        pods={("shop", name): pod(name, nodes[0], *ips) for name in pods},
        nodes={name: node(name, ()) for name in nodes},
    )  # fmt: skip
    evidence = (Evidence(text(), text()),)
    finding = Finding("x", Severity.PROBLEM, text(), evidence, text(), text(), text(), nodes[0], look_further=f"pod {pods[0]}")
    tables = (Table(text(), ((text(), text()),)), Table("t", ((text(), text(), text()),), (text(), "b", "c")))
    shown = Shown(text(), {"pod": pods[0]}, tables, REPORTS["problem"].shown.files, (text(),))
    return cluster, replace(report(finding, shown=shown, asked=tuple(nodes)), command=f"pod {pods[0]}"), secret


@given(worlds())
def test_nothing_of_the_cluster_survives_in_anything_that_is_rendered(world: tuple[Cluster, Report, list[str]]) -> None:
    cluster, whole, secret = world
    redacted = Redactor(KEY, names.of_cluster(cluster)).report(whole)
    message = blocks.message(redacted, again="again 0123")
    shown = "\n".join((
        message.text, json.dumps(message.blocks, ensure_ascii=False), plain(message), terminal.text(redacted),
        *(f"{file.name} {file.text}" for file in message.files),
    ))  # fmt: skip
    assert [each for each in secret if each in shown] == []


@given(st.text(max_size=80))
def test_any_text_can_be_redacted_and_an_address_in_it_is_gone(text: str) -> None:
    assert "10.244.1.4" not in said(f"{text} 10.244.1.4 {text}")
    assert isinstance(said(text), str)
