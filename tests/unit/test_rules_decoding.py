"""The kernel's own bytes, recorded from tables of the recordings: read as the tools print them; changed ones never wrongly."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_helper.linux.netlink import Malformed, attributes
from node_helper.netfilter import native, native_sets, xt_matches, xt_targets
from node_helper.netfilter.about import About, leads_to, nft_leads_to
from node_helper.netfilter.compat import Decoder
from node_helper.netfilter.legacy import INFO, Blob
from node_helper.netfilter.records import Chain, Destination, Element, Table
from node_helper.netfilter.xt_words import Undecodable
from tests.rule_samples import DATA, parsed, small

NFT: dict[str, dict[str, list[str]]] = json.loads((DATA / "kernel-rules" / "nft-rules.json").read_text())
LEGACY = (DATA / "kernel-rules" / "legacy-nat.bin").read_bytes()
HEX = [bytes.fromhex(rule) for chains in NFT.values() for rules in chains.values() for rule in rules]


def _recorded(name: str, table: str) -> Table:
    return next(t for t in parsed(name, small(name)[2]).tables if (t.family, t.name) == ("ip", table))


def _specs(chain: Chain) -> list[str]:
    return [rule.spec for rule in chain.rules]


@pytest.mark.parametrize("table", ["filter", "nat"])
def test_iptables_rules_in_nf_tables_read_as_iptables_save_prints_them(table: str) -> None:
    decoder = Decoder(socket.AF_INET)
    read = {name: [decoder.rule(attributes(bytes.fromhex(r))[4]) for r in rules] for name, rules in NFT[table].items()}
    assert {name: [r.spec for r in rules] for name, rules in read.items()} == {
        chain.name: _specs(chain) for chain in _recorded("kube-proxy-1.36/node1.iptables-save.txt", table).chains
    }
    assert not any(rule.unread for rules in read.values() for rule in rules)


def test_nftables_rules_read_as_nft_prints_them_but_for_their_unnamed_maps() -> None:
    def elements(_name: str) -> tuple[Element, ...]:
        return (Element("0", "10.244.1.1 . 8080"),)

    read = {
        name: [native.rule(socket.AF_INET, attributes(bytes.fromhex(r)), elements) for r in rules]
        for name, rules in NFT["kube-proxy"].items()
    }
    for chain in _recorded("kube-proxy-1.36/node2.nft.txt", "kube-proxy").chains:
        want = [spec.partition(" { 0 : ")[0] for spec in _specs(chain)]
        assert [rule.spec.partition(" { 0 : ")[0] for rule in read[chain.name]] == want
        assert not any(rule.unread for rule in read[chain.name])


def test_a_legacy_table_reads_as_iptables_save_prints_it() -> None:
    blob = Blob(LEGACY[: INFO.size], LEGACY[INFO.size :], socket.AF_INET)
    recorded = {c.name: _specs(c) for c in _recorded("kube-proxy-1.36/node3.iptables-legacy-save.txt", "nat").chains}
    assert {name: _specs(chain) for name in blob.names if (chain := blob.chain(name)) is not None} == recorded
    assert blob.chain("KUBE-GONE") is None


def test_of_a_legacy_table_only_what_concerns_a_destination_is_read() -> None:
    blob = Blob(LEGACY[: INFO.size], LEGACY[INFO.size :], socket.AF_INET)
    about = About((Destination("10.111.199.230", 80, "tcp"),), socket.AF_INET)
    found = blob.reach(("KUBE-SERVICES", "KUBE-NODEPORTS"), about, 100)
    assert found is not None
    assert [len(chain.rules) for chain in found] == [2, 0, 4, 1, 2, 2, 2]
    assert blob.reach(("KUBE-SERVICES",), about, 3) is None


def test_of_a_legacy_table_the_way_of_one_address_to_node_ports_is_read() -> None:
    entries, at = bytearray(LEGACY[INFO.size :]), 0
    while b"service nodeports; NOTE" not in entries[at : at + struct.unpack_from("=HH", entries, at + 88)[1]]:
        at += struct.unpack_from("=HH", entries, at + 88)[1]
    entries[at + 4 : at + 8], entries[at + 12 : at + 16] = bytes((10, 199, 0, 13)), b"\xff" * 4
    blob = Blob(LEGACY[: INFO.size], entries, socket.AF_INET)
    for port, wanted in ((Destination("", 30489, "tcp"), 1), (Destination("10.111.199.230", 80, "tcp"), 0)):
        found = blob.chain("KUBE-SERVICES", About((port,), socket.AF_INET))
        assert found is not None
        said = [rule.spec for rule in found.rules if rule.spec.startswith("-d 10.199.0.13/32 ")]
        assert [spec.rpartition(" ")[2] for spec in said] == ["KUBE-NODEPORTS"] * wanted


def test_of_a_rule_to_node_ports_the_bytes_and_the_words_leave_room_for_any_address() -> None:
    loads = bytes.fromhex("08000200000000010800030000000010")
    rules = ((loads + b"KUBE-NODEPORTS\0", "-d 10.199.0.13/32 -j KUBE-NODEPORTS"), (loads, "-d 10.96.0.1/32 -j KUBE-SVC-X"))
    near, far = (About((one,), socket.AF_INET) for one in (Destination("", 30489, "tcp"), Destination("10.96.0.9", 80, "tcp")))
    assert [(near.may_concern(body), near.concerns(spec)) for body, spec in rules] == [(True, True), (False, False)]
    assert [(far.may_concern(body), far.concerns(spec)) for body, spec in rules] == [(False, False)] * 2


@given(st.data())
def test_a_damaged_legacy_table_is_read_or_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(INFO.size, len(LEGACY) - 1))
    changed = bytearray(LEGACY)
    changed[at : at + 4] = data.draw(st.binary(min_size=4, max_size=4))
    entries = bytes(changed[INFO.size : len(LEGACY)])
    try:
        blob = Blob(LEGACY[: INFO.size], entries, socket.AF_INET)
        for name in blob.names:
            blob.chain(name)
    except Malformed:
        pass


@given(st.binary(max_size=400), st.sampled_from([socket.AF_INET, socket.AF_INET6]))
def test_a_legacy_table_of_any_bytes_is_refused_or_empty(entries: bytes, family: int) -> None:
    info = INFO.pack(b"nat", 0x1B, 0, 152, 0, 304, 456, 0, 152, 0, 304, 456, 5, len(entries))
    try:
        blob = Blob(info, entries, family)
        for name in blob.names:
            blob.chain(name)
    except Malformed:
        pass


def _damaged(data: st.DataObject) -> bytes:
    rule = bytearray(data.draw(st.sampled_from(HEX)))
    at = data.draw(st.integers(0, len(rule)))
    rule[at : at + data.draw(st.integers(0, 6))] = data.draw(st.binary(max_size=6))
    return bytes(rule)


@given(st.data())
def test_a_damaged_rule_of_nf_tables_is_read_or_refused(data: st.DataObject) -> None:
    rule = _damaged(data)
    readers: tuple[Callable[[dict[int, bytes]], Any], ...] = (
        lambda found: Decoder(socket.AF_INET).rule(found.get(4, b"")),
        lambda found: native.rule(socket.AF_INET, found, lambda _: ()),
        lambda found: native_sets.raw_elements(found.get(3, b"")),
        native_sets.head,
    )
    for read in readers:
        try:
            read(attributes(rule))
        except (Malformed, Undecodable):
            continue


@given(
    st.sampled_from([*xt_matches._MATCHES, *xt_targets._TARGETS]),
    st.binary(max_size=320),
    st.sampled_from([socket.AF_INET, socket.AF_INET6]),
)
def test_a_match_or_target_of_any_bytes_is_read_or_refused(kind: tuple[str, int], blob: bytes, family: int) -> None:
    for words in (xt_matches.words, xt_targets.words):
        try:
            assert kind[0] in words(*kind, blob, family)
        except Undecodable:
            continue


def test_an_unknown_match_is_named_and_its_rule_not_taken_for_a_simpler_one() -> None:
    rule = attributes(bytes.fromhex(NFT["nat"]["KUBE-SERVICES"][0]))[4]
    read = Decoder(socket.AF_INET).rule(rule.replace(b"comment\0", b"cgroup2\0"))
    assert read.unread == ("cgroup2",)


@pytest.mark.parametrize(
    ("spec", "chain"),
    [
        ('-m comment --comment "x -j NOT" -j KUBE-SVC-A', "KUBE-SVC-A"),
        ("-j ACCEPT", None),
        ("-g KUBE-X", "KUBE-X"),
        ("-d 10.0.0.1/32", None),
        ("-j DNAT --to-destination 10.0.0.1:80", "DNAT"),
    ],
)
def test_where_a_rule_leads(spec: str, chain: str | None) -> None:
    assert leads_to(spec) == chain


def test_where_a_line_of_nft_leads() -> None:
    assert nft_leads_to("numgen random mod 2 vmap { 0 : goto a, 1 : goto b/c__1 }") == ["a", "b/c__1"]
    assert nft_leads_to("ip saddr 10.0.0.1 jump mark-for-masquerade") == ["mark-for-masquerade"]
