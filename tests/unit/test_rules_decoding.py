"""The kernel's own bytes, recorded from tables of the recordings: read as the tools print them; changed ones never wrongly."""

from __future__ import annotations

import ipaddress
import json
import socket
import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_helper.linux.netlink import Malformed, attribute, attributes
from node_helper.netfilter import native, native_sets, xt_matches, xt_targets
from node_helper.netfilter.about import About, leads_to, nft_leads_to
from node_helper.netfilter.attributes import pieces
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
        *(lambda found, of=family: Decoder(of).rule(found.get(4, b"")) for family in (socket.AF_INET, socket.AF_INET6)),
        *(lambda found, of=family: native.rule(of, found, lambda _: ()) for family in (socket.AF_INET, socket.AF_INET6)),
        lambda found: native_sets.raw_elements(found.get(3, b"")),
        native_sets.head,
    )
    for read in readers:
        try:
            read(attributes(rule))
        except (Malformed, Undecodable):
            continue


DATA_OF = {"cmp": {3}, "range": {3, 4}, "bitwise": {4, 5}, "immediate": {2}}  # attributes that hold attributes
SILENT = {("lookup", 4), ("dynset", 2), ("dynset", 8)}  # numbers by which the kernel finds what is named beside them
MEANT: dict[tuple[str, int], tuple[int, ...]] = {
    ("tcp", 0): (*range(12),), ("udp", 0): (*range(9),), ("mark", 1): (*range(9),), ("statistic", 0): (*range(8),),
    ("addrtype", 1): (*range(8),), ("DNAT", 2): (*range(8), *range(20, 24), *range(36, 40)), ("MARK", 2): (*range(8),),
    ("MASQUERADE", 0): (*range(8),), ("REJECT", 0): (*range(4),),
}  # fmt: skip
"""The bytes of matches and targets of IPv4 that all say something."""


def _expressions(rule: bytes) -> list[tuple[str, dict[int, bytes]]]:
    found = [attributes(piece) for piece in pieces(attributes(rule)[4])]
    return [(one[1].rstrip(b"\0").decode(), attributes(one.get(2, b""))) for one in found]


def _encoded(expressions: list[tuple[str, dict[int, bytes]]]) -> bytes:
    return b"".join(
        attribute(1, attribute(1, name.encode() + b"\0") + attribute(2, b"".join(attribute(k, v) for k, v in of.items())))
        for name, of in expressions
    )


def _changed(data: st.DataObject, name: str, of: dict[int, bytes]) -> bool:
    """Another value of one attribute of the expression; False where it has none that says anything."""
    places: tuple[int, ...] = ()
    if name in ("match", "target"):
        places = MEANT.get((of[1].rstrip(b"\0").decode(), int.from_bytes(of[2], "big")), ())
        kinds = [3] if places else []
    else:
        kinds = [kind for kind, value in of.items() if value and (name, kind) not in SILENT]
    if not kinds:
        return False
    kind = data.draw(st.sampled_from(kinds))
    of[kind] = _within(data, of[kind]) if kind in DATA_OF.get(name, ()) else _flipped(data, of[kind], places)
    return True


def _within(data: st.DataObject, value: bytes) -> bytes:
    """Of nested data: a value, or a verdict with the name of a chain."""
    inner = attributes(value)
    kind = data.draw(st.sampled_from(sorted(inner)))
    inner[kind] = (
        _within(data, inner[kind]) if kind == 2 and len(inner) == 1 and len(inner[2]) > 4 else _flipped(data, inner[kind])
    )
    return b"".join(attribute(each, content) for each, content in inner.items())


def _flipped(data: st.DataObject, value: bytes, places: tuple[int, ...] = ()) -> bytes:
    at = data.draw(st.sampled_from(places or range(len(value))))
    return value[:at] + bytes([value[at] ^ data.draw(st.integers(1, 255))]) + value[at + 1 :]


READERS: dict[str, Callable[[bytes, int], Any]] = {
    "iptables": lambda rule, family: Decoder(family).rule(rule),
    "nft": lambda rule, family: native.rule(family, {4: rule}, lambda name: (Element(name, "drop"),)),
}
BY_READER = [("nft" if table == "kube-proxy" else "iptables", bytes.fromhex(rule)) for table, chains in NFT.items()
             for rules in chains.values() for rule in rules]  # fmt: skip


@given(st.sampled_from(BY_READER), st.data())
def test_a_rule_of_which_a_value_is_another_is_not_read_as_it_was(kind: tuple[str, bytes], data: st.DataObject) -> None:
    """What is read has something unread, or says something else: no value is passed over."""
    read, expressions = READERS[kind[0]], _expressions(kind[1])
    before = read(_encoded(expressions), socket.AF_INET)
    assert before.unread == ()
    name, of = data.draw(st.sampled_from(expressions))
    if not _changed(data, name, of):
        return
    try:
        after = read(_encoded(expressions), socket.AF_INET)
    except Malformed:
        return
    assert after != before


def _of(*numbers: tuple[int, int], **data: bytes) -> dict[int, bytes]:
    return {**{kind: struct.pack(">I", value) for kind, value in numbers}, **{int(at[1:]): value for at, value in data.items()}}


FD00 = ipaddress.ip_address("fd00::1").packed
TO = ("payload", _of((1, 1), (2, 1), (3, 24), (4, 16)))
IS_FD00 = ("cmp", _of((1, 1), (2, 0), _3=attribute(1, FD00)))
TCP_TO_UDP = ("range", _of((1, 1), (2, 0), _3=attribute(1, b"\x06"), _4=attribute(1, b"\x11")))
ACCEPT = ("immediate", _of((1, 0), _2=attribute(2, attribute(1, struct.pack(">I", 1)))))
L4PROTO, PORT = ("meta", _of((1, 12), (2, 16))), ("payload", _of((1, 13), (2, 2), (3, 2), (4, 2)))
SERVICE_IPS = ("lookup", _of((2, 1), (3, 0), (5, 0), _1=b"service-ips\0"))
NUMGEN = ("numgen", _of((1, 1), (2, 1), (3, 1), (4, 0)))
MAPPED, NAT = (
    ("lookup", _of((2, 1), (3, 1), (5, 0), _1=b"__map0\0")),
    _of((1, 1), (2, 10), (3, 1), (4, 1), (5, 12), (6, 12), (7, 3)),
)


@pytest.mark.parametrize(
    ("reader", "expressions", "spec"),
    [
        ("iptables", [TO, IS_FD00, ACCEPT], "-d fd00::1/128 -j ACCEPT"),
        ("iptables", [("meta", _of((1, 1), (2, 16))), TCP_TO_UDP, ACCEPT], None),
        ("nft", [TO, IS_FD00, ACCEPT], "ip6 daddr fd00::1 accept"),
        ("nft", [TO, L4PROTO, PORT, SERVICE_IPS], "ip6 daddr . meta l4proto . th dport vmap @service-ips"),
        ("nft", [TO, PORT, SERVICE_IPS], None),
        ("nft", [NUMGEN, MAPPED, ("nat", NAT)], "dnat ip6 to numgen random mod 1 map { __map0 : drop }"),
        ("nft", [NUMGEN, MAPPED, ("nat", {**NAT, **_of((5, 13), (6, 13))})], None),
        ("nft", [NUMGEN, MAPPED, ("nat", {**NAT, **_of((2, 2))})], None),
        ("nft", [("masq", _of((1, 16), (2, 1)))], None),
    ],
)  # fmt: skip
def test_rules_of_ipv6_are_read_and_what_is_beside_their_form_is_unread(
    reader: str, expressions: list[tuple[str, dict[int, bytes]]], spec: str | None
) -> None:
    read = READERS[reader](_encoded(expressions), socket.AF_INET6)
    assert bool(read.unread) is (spec is None)
    assert spec in (None, read.spec)


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
