"""The facts of the conntrack table on a pretended kernel that chooses as ctnetlink does, not at all, or by one direction only."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_helper.conntrack import matching, names
from node_helper.conntrack.layout import learn
from node_helper.conntrack.wants import Which
from node_helper.facts import conntrack, conntrack_entry, conntrack_events, conntrack_stats
from node_helper.linux.netlink import attributes
from node_helper.protocol import CannotLook
from tests.conntrack_messages import DONE, ERROR, Said, attribute, control, message, plain
from tests.pretend_kernel import PretendKernel

_MAX = "/proc/sys/net/netfilter/nf_conntrack_max"
LOADED = {_MAX: "262144\n", "/proc/sys/net/netfilter/nf_conntrack_count": "2\n"}


@dataclass
class Table:
    """Answers dumps; `old` reads no filter, `half` reads none on the reply direction (and then finds nothing by it)."""

    flows: list[Said]
    old: bool = False
    half: bool = False
    dumps: int = 0

    def __call__(self, kind: int, body: bytes) -> Iterable[bytes]:
        assert kind == 1
        wanted = attributes(body, 4)
        flags = attributes(wanted.get(25, b""))
        if not self.old:
            for top in (1, 2):
                if top in flags and not (self.half and top == 2) and not attributes(wanted.get(top, b"")):
                    yield control(ERROR, 22)
                    return
        self.dumps += 1
        for start in range(0, len(self.flows), 3):
            yield b"".join(message(f) for f in self.flows[start : start + 3] if self.old or self._fits(f, body[0], wanted, flags))
        yield control(DONE)

    def _fits(self, said: Said, family: int, wanted: dict[int, bytes], flags: dict[int, bytes]) -> bool:
        if family not in (0, said.family):
            return False
        if 3 in wanted:
            value, mask = (struct.unpack(">I", wanted[n])[0] for n in (3, 26))
            if said.values["status"] & mask != value:
                return False
        return all(self._side(said, top, wanted[top], flags[top]) for top in (1, 2) if top in flags)

    def _side(self, said: Said, top: int, wanted: bytes, flags: bytes) -> bool:
        if self.half and top == 2:
            return False
        side = {1: "orig", 2: "reply"}[top]
        parts, bits = attributes(wanted), struct.unpack("=I", flags)[0]
        ip, proto = (attributes(parts.get(n, b"")) for n in (1, 2))
        asked = {f"{side}_src": ip.get(1), f"{side}_dst": ip.get(2)}
        asked |= {f"{side}_{name}": struct.unpack(">H", proto[n])[0] for n, name in ((2, "sport"), (3, "dport")) if n in proto}
        assert bits & 0b1111011 == bits
        if 1 in proto and proto[1][0] != said.protocol:
            return False
        return all(said.values.get(name) == value for name, value in asked.items() if value is not None)


FLOWS = [
    plain("10.0.0.1", "10.0.0.9"),
    plain("10.0.0.1", "10.96.0.10", dport=53, protocol=17, reply_src=b"\x0a\x00\x00\x02", status=0x2E),
    plain("10.0.0.2", "10.0.0.2"),
    plain("10.0.0.3", "10.0.0.9", tcp_state=7),
    plain("10.0.0.3", "10.0.0.9", sport=1, status=8, tcp_state=1),
    plain("fd00::1", "fd00::9"),
    plain("fd00::3", "fd00::1", dport=8080),
    plain("10.0.0.4", "10.0.0.9", dport=81, reply_sport=8080, zone=3, mark=9),
]


def look(table: Table, lines: int = 100, **which: Any) -> conntrack.Conntrack:
    return conntrack.collect(PretendKernel(files=LOADED, tracked=table), conntrack.Query(Which(**which), lines))


def chosen(which: Which) -> list[str]:
    """The wanted flows by the plain meaning of the words."""
    return sorted(_line(f) for f in FLOWS if _meant(f, which))


def _meant(said: Said, which: Which) -> bool:
    v = said.values
    src, dst, back = (str(ipaddress.ip_address(v[name])) for name in ("orig_src", "orig_dst", "reply_src"))
    state = which.state
    words = {"UNREPLIED": not v["status"] & 2, "ASSURED": bool(v["status"] & 4), "DST_NAT": bool(v["status"] & 32)}
    return (
        (not which.ends or src in which.ends or back in which.ends)
        and which.src in (None, src)
        and which.dst in (None, dst)
        and (which.protocol is None or names.number(which.protocol) == said.protocol)
        and which.port in (None, v["orig_dport"], v["reply_sport"])
        and (state is None or words.get(state, state == names.state(v.get("tcp_state", 99), 6)))
        and which.zone in (None, v.get("zone", 0))
        and which.mark in (None, v["mark"])
    )


def _line(said: Said) -> str:
    from node_helper.conntrack.text import writer

    layout = learn(message(said))
    return writer(layout)(layout.read(message(said), 0))


IPS = st.sampled_from([None, "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.9", "10.96.0.10", "fd00::1", "fd00::9"])
WHICH = st.builds(
    Which,
    ends=st.sampled_from([(), ("10.0.0.2",), ("10.0.0.2", "fd00::1"), ("fd00::1",)]),
    src=IPS,
    dst=IPS,
    protocol=st.sampled_from([None, None, "tcp", "udp", "icmp", "99"]),
    port=st.sampled_from([None, None, 53, 80, 8080]),
    state=st.sampled_from([None, None, "ESTABLISHED", "TIME_WAIT", "UNREPLIED", "ASSURED", "DST_NAT"]),
    mark=st.sampled_from([None, None, None, 9]),
    zone=st.sampled_from([None, None, None, 0, 3]),
)


@given(WHICH, st.booleans(), st.booleans())
def test_what_is_chosen_is_what_was_meant_whoever_chooses(which: Which, old: bool, half: bool) -> None:  # noqa: FBT001  (drawn)
    found = look(Table(FLOWS, old=old, half=half), **vars(which))
    assert sorted(found.lines.splitlines()) == chosen(which)
    assert found.flows == len(chosen(which))


def test_one_address_costs_what_it_has_and_not_the_table() -> None:
    found = look(Table(FLOWS), dst="10.96.0.10")
    assert (found.flows, found.seen, found.by_kernel) == (1, 1, True)
    assert (look(Table(FLOWS, old=True), dst="10.96.0.10").seen, look(Table(FLOWS, half=True), ends=("10.0.0.2",)).by_kernel) == (
        8,
        False,
    )


def test_the_kernel_is_never_asked_for_an_ipv6_address() -> None:
    for which in (Which(dst="fd00::1"), Which(ends=("fd00::1", "fd00::2"), protocol="tcp"), Which(src="fd00::1", port=80)):
        for request in matching.requests(which.wanted()):
            assert ipaddress.ip_address("fd00::1").packed not in request.body


def test_lines_are_bounded_and_totals_are_not() -> None:
    many = [plain("10.0.0.1", f"10.1.{n // 250}.{n % 250}", sport=n) for n in range(1000)]
    found = look(Table(many), lines=10)
    assert (found.flows, found.shown, len(found.lines.splitlines()), len(found.first)) == (1000, 10, 10, 10)
    assert [(t.protocol, t.state, t.flows) for t in found.by_state] == [("tcp", "ESTABLISHED", 1000)]
    assert len(found.destinations) == 20


def test_a_table_too_large_for_its_time_is_read_in_part_and_says_so() -> None:
    many = [plain("10.0.0.1", "10.1.0.1", sport=n) for n in range(300)]

    class Slow(PretendKernel):
        """A second passes at every look at the clock, which is at every datagram; each has three flows."""

        clock = 0.0

        def now(self) -> float:
            self.clock += 1
            return self.clock

    kernel = Slow(files=LOADED, tracked=Table(many))
    found = conntrack.collect(kernel, conntrack.Query(lines=10, seconds=20.0))
    assert (found.cut, found.flows, found.shown) == (True, 63, 10)
    whole = conntrack.collect(kernel, conntrack.Query(lines=10, seconds=200.0))
    assert (whole.cut, whole.flows) == (False, 300)


def test_what_conntrack_never_loaded_says_so_and_asks_nothing() -> None:
    kernel = PretendKernel()
    stats = conntrack_stats.collect(kernel, conntrack_stats.Query())
    assert (stats.in_use, stats.evidence) == (False, f"{_MAX} does not exist: nf_conntrack is not loaded")
    with pytest.raises(CannotLook, match="not in use here") as refused:
        conntrack.collect(kernel, conntrack.Query())
    assert refused.value.kind == "missing"
    assert not any(said.startswith("conntrack") for said in kernel.asked)


UNSPOKEN = {
    **LOADED,
    "/proc/modules": "nf_conntrack 172032 1 - Live 0x0\n",
    "/proc/sys/kernel/osrelease": "6.1.0\n",
    "/lib/modules/6.1.0/modules.builtin": "kernel/net/core/x.ko\n",
    "/proc/net/stat/nf_conntrack": "entries found invalid drop\n2 a 1 0\n2 0 0 3\n",
}


def test_a_module_that_is_not_loaded_is_not_loaded_by_asking() -> None:
    kernel = PretendKernel(files=UNSPOKEN)
    stats = conntrack_stats.collect(kernel, conntrack_stats.Query())
    assert (stats.count, stats.maximum, [c.counters["found"] for c in stats.cpus]) == (2, 262144, [10, 0])
    for look_at in (
        lambda: conntrack.collect(kernel, conntrack.Query()),
        lambda: conntrack_entry.collect(kernel, conntrack_entry.Query("10.0.0.1", "10.0.0.2", "tcp", 1, 2)),
        lambda: next(conntrack_events.rows(kernel, conntrack_events.Query(1.0))),
    ):
        with pytest.raises(CannotLook, match="without loading a module") as refused:
            look_at()
        assert refused.value.kind == "missing"
    assert not any(said.startswith("conntrack") for said in kernel.asked)


@pytest.mark.parametrize(
    "files",
    [
        {"/proc/modules": "nf_conntrack_netlink 57344 0 - Live 0x0\n"},
        {"/lib/modules/6.1.0/modules.builtin": "kernel/net/netfilter/nf_conntrack_netlink.ko\n"},
    ],
)
def test_a_module_that_is_there_is_asked(files: dict[str, str]) -> None:
    assert conntrack.collect(PretendKernel(files={**UNSPOKEN, **files}, tracked=Table(FLOWS)), conntrack.Query()).flows == len(
        FLOWS
    )


def test_malformed_answers_are_typed() -> None:
    kernel = PretendKernel(files=LOADED, tracked=lambda _kind, _body: iter((message(FLOWS[0])[:-4],)))
    with pytest.raises(CannotLook) as refused:
        conntrack.collect(kernel, conntrack.Query())
    assert refused.value.kind == "malformed"
    denied = replace(kernel, tracked=lambda _kind, _body: iter((control(ERROR, 1),)))
    with pytest.raises(CannotLook) as refused:
        conntrack.collect(denied, conntrack.Query())
    assert refused.value.kind == "denied"


def test_an_entry_that_does_not_exist_is_an_answer() -> None:
    query = conntrack_entry.Query("10.0.0.1", "10.0.0.9", "tcp", 40000, 80)
    there = PretendKernel(files=LOADED, tracked=lambda _kind, _body: iter((message(FLOWS[0]),)))
    found = conntrack_entry.collect(there, query).flow
    assert found is not None
    assert (found.state, found.original.dport) == ("ESTABLISHED", 80)
    gone = PretendKernel(files=LOADED, tracked=lambda _kind, _body: iter((control(ERROR, 2),)))
    assert conntrack_entry.collect(gone, query).flow is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"dst": "10.0.0.300"},
        {"dst": "FD00::1"},
        {"protocol": "tpc"},
        {"protocol": "256"},
        {"state": "established"},
        {"port": 65536},
    ],
)
def test_a_question_that_means_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Which(**wrong)


def test_events_are_added_up_moment_by_moment() -> None:
    heard = (message(FLOWS[0], flags=0x600), b"", None, message(FLOWS[4], kind=0x102), message(FLOWS[1], flags=0x600), b"")
    kernel = PretendKernel(files=LOADED, tracked_events=heard)
    first, second, last = conntrack_events.rows(kernel, conntrack_events.Query(1.0, Which(protocol="tcp"), lines=1))
    assert (first.new, first.updated, first.destroyed, first.lost) == (1, 0, 0, False)
    assert (second.new, second.destroyed, second.lost, last.new) == (0, 1, True, 0)
    assert first.lines.startswith("    [NEW] tcp      6 60 ESTABLISHED src=10.0.0.1 ")
    assert first.lines.endswith(" [USERSPACE] portid=77\n")  # as the message says; a packet's has none
    assert second.lines == ""
    assert [(h.event, h.address, h.port, h.flows, h.unreplied) for h in second.happened] == [("destroy", "10.0.0.9", 80, 1, 1)]


def test_counters_come_from_ctnetlink_where_it_speaks() -> None:
    body = struct.pack("=BBH", 0, 0, 0)
    answers = {
        5: [struct.pack("=IHHII", 28, 0x105, 0, 1, 1) + body + attribute(1, b"\0\0\0\5")],
        4: [struct.pack("=IHHII", 28, 0x104, 2, 1, 1) + body + attribute(10, b"\0\0\0\1"), control(DONE)],
    }
    kernel = PretendKernel(files={**LOADED, _MAX.replace("max", "acct"): "1\n"}, tracked=lambda kind, _body: iter(answers[kind]))
    stats = conntrack_stats.collect(kernel, conntrack_stats.Query())
    assert (stats.count, stats.cpus[0].counters, stats.accounting, stats.buckets) == (5, {"drop": 1}, 1, None)
