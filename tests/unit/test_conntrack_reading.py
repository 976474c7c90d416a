from __future__ import annotations

import struct
from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_helper.conntrack.counters import NAMES, Cpu, count, of_cpus, of_proc
from node_helper.conntrack.counting import Tally
from node_helper.conntrack.events import Events
from node_helper.conntrack.flow import flow
from node_helper.conntrack.layout import learn
from node_helper.conntrack.reading import Reader, Refused
from node_helper.conntrack.text import writer
from node_helper.conntrack.totals import COUNTED
from node_helper.linux.netlink import Malformed
from tests.conntrack_messages import DONE, ERROR, NEW, Said, attribute, control, message, nest, plain, sayings


def read(*datagrams: bytes) -> list[tuple[int, int, dict[str, Any]]]:
    reader = Reader()
    return [(lay.family, lay.protocol, dict(zip(lay.names, v, strict=True))) for d in datagrams for lay, v in reader.read(d)]


def expected(said: Said) -> tuple[int, int, dict[str, Any]]:
    return said.family, said.protocol, said.values


@given(st.lists(sayings(), max_size=12), st.integers(1, 4))
def test_every_message_reads_as_what_was_said_whatever_came_before(sayings: list[Said], times: int) -> None:
    datagram = b"".join(message(s) for s in sayings)
    assert read(*[datagram] * times) == [expected(s) for s in sayings] * times


@given(st.lists(sayings(), max_size=12))
def test_a_layout_learnt_from_one_message_reads_no_other_wrongly(sayings: list[Said]) -> None:
    """The template path and the general path agree: a layout that fits a message reads what its own layout reads."""
    for one in sayings:
        layout = learn(message(one))
        for other in sayings:
            data = message(other)
            if layout.fits(data):
                own = learn(data)
                assert (layout.names, layout.family, layout.protocol) == (own.names, own.family, own.protocol)
                assert layout.read(data, 0) == own.read(data, 0)


@given(st.lists(sayings(), min_size=1, max_size=8), st.data())
def test_damaged_bytes_are_refused_or_read_as_a_strict_reading_of_themselves(sayings: list[Said], data: st.DataObject) -> None:
    datagram = bytearray(b"".join(message(s) for s in sayings))
    for _ in range(data.draw(st.integers(1, 4))):
        datagram[data.draw(st.integers(0, len(datagram) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(datagram[: data.draw(st.integers(0, len(datagram)))])
    assert _outcome([*map(message, sayings)], cut) == _outcome([], cut)


def _outcome(before: list[bytes], data: bytes) -> Any:
    """What a reader that has learnt from messages makes of a datagram."""
    reader = Reader()
    for one in before:
        list(reader.read(one))
    found: list[Any] = []
    try:
        for layout, values in reader.read(data):
            found.append((layout.family, layout.protocol, dict(zip(layout.names, values, strict=True))))
            flow(layout, values)
            writer(layout)(values)
    except (Malformed, Refused) as e:
        return [*found, type(e)]
    return found


@given(st.binary(max_size=400))
def test_any_bytes_are_a_flow_or_a_typed_error(data: bytes) -> None:
    head = struct.pack("=IHHII", 16 + len(data), NEW, 2, 1, 77)
    _outcome([], data)
    _outcome([], head + data)
    _outcome([], head + b"\x02\0\0\0" + data)


@given(st.lists(sayings(), max_size=20))
def test_what_is_counted_is_what_would_be_read(sayings: list[Said]) -> None:
    told = Counter((s.protocol, frozenset((n, v) for n, v in s.values.items() if n in COUNTED)) for s in sayings)
    assert _counted(b"".join(message(s) for s in sayings)) == told


@given(st.lists(sayings(), min_size=1, max_size=6), st.data())
def test_damaged_messages_are_counted_as_they_would_be_read_or_refused(sayings: list[Said], data: st.DataObject) -> None:
    """Many are checked at once: one that only resembles the others must not be counted as one of them."""
    datagram = bytearray(b"".join(message(s) for s in sayings) * 3)
    for _ in range(data.draw(st.integers(1, 4))):
        datagram[data.draw(st.integers(0, len(datagram) - 1))] = data.draw(st.integers(0, 255))
    assert _counted(bytes(datagram)) == _added_up(bytes(datagram))


def _counted(datagram: bytes) -> Any:
    tally = Tally(COUNTED)
    try:
        tally.read(datagram)
        kinds = tally.counts()
    except (Malformed, Refused) as e:
        return type(e)
    found: Counter[Any] = Counter()
    for layout, counts in kinds:
        for values, flows in counts.items():
            found[layout.protocol, frozenset(zip(layout.names, values, strict=True))] += flows
    return found


def _added_up(datagram: bytes) -> Any:
    try:
        told = read(datagram)
    except (Malformed, Refused) as e:
        return type(e)
    return Counter((protocol, frozenset((n, v) for n, v in values.items() if n in COUNTED)) for _, protocol, values in told)


def test_a_message_that_ends_early_is_not_counted() -> None:
    whole = message(plain("10.0.0.1", "10.0.0.2"))
    for size in range(1, len(whole)):
        tally = Tally(COUNTED)
        tally.read(whole)
        with pytest.raises(Malformed):
            tally.read(whole[:size])


@pytest.mark.parametrize("size", [16, 20])
def test_a_message_without_any_attribute_is_refused(size: int) -> None:
    data = struct.pack("=IHHII", size, NEW, 2, 1, 77) + bytes(size - 16) + message(plain("10.0.0.1", "10.0.0.2"))
    with pytest.raises(Malformed):
        read(data)
    with pytest.raises(Malformed):
        Tally(COUNTED).read(data)


def test_messages_of_one_length_and_another_meaning_are_told_apart() -> None:
    """A zone in the tuple of UDP makes it as long as a tuple of ICMP; TCP over IPv4 may be as long as UDP over IPv6."""
    udp = plain("10.0.0.1", "10.0.0.2", protocol=17, orig_zone=5, reply_zone=5)
    ends = {f"{side}_icmp_{name}": 1 for side in ("orig", "reply") for name in ("id", "type", "code")}
    echo = plain("10.0.0.1", "10.0.0.2", protocol=1)
    icmp = Said(echo.family, 1, {n: v for n, v in {**echo.values, **ends}.items() if "port" not in n})
    assert len(message(udp)) == len(message(icmp))
    assert message(udp)[:24] == message(icmp)[:24]
    assert read(message(udp) + message(icmp) + message(udp)) == [expected(udp), expected(icmp), expected(udp)]


@pytest.mark.parametrize(
    "spoiled",
    [
        lambda m: m.replace(attribute(1, b"\x06"), attribute(1, b"\x11"), 1),  # TCP there, UDP back
        lambda m: m[:16] + b"\x0a" + m[17:],  # the other family
        lambda m: m[:16] + b"\x07" + m[17:],  # a bridge's
        lambda m: struct.pack("=I", len(m) + 8) + m[4:] + attribute(11, b"\0\0\0\1"),  # a second use count
        lambda m: struct.pack("=I", len(m) + 12) + m[4:] + attribute(7, b"\0" * 8),  # a timeout of 8 bytes
        lambda m: struct.pack("=I", len(m) + 4) + m[4:] + b"\xff\xff\x07\0",  # an attribute beyond the end
        lambda m: struct.pack("=I", len(m) + 4) + m[4:] + b"\0\0\0\0",  # an attribute of no length
        lambda m: struct.pack("=I", 20) + m[4:20],  # no tuple at all
        lambda m: m[:-2],
    ],
)
def test_what_no_kernel_would_say_is_malformed(spoiled: Any) -> None:
    good = message(plain("10.0.0.1", "10.0.0.2"))
    reader = Reader()
    assert len(list(reader.read(good))) == 1
    with pytest.raises(Malformed):
        list(reader.read(spoiled(good)))


def test_the_end_of_a_dump_and_a_refusal_are_told_apart() -> None:
    reader = Reader()
    assert len(list(reader.read(message(plain("10.0.0.1", "10.0.0.2")) + control(DONE)))) == 1
    assert reader.done
    with pytest.raises(Refused) as refused:
        list(Reader().read(control(ERROR, 22)))
    assert refused.value.code == 22
    with pytest.raises(Malformed):
        list(Reader().read(control(0x500)))


def test_names_from_the_kernel_are_shown_as_text() -> None:
    layout = learn(message(plain("10.0.0.1", "10.0.0.2", helper=b"ftp\xff\0rest\0")))
    values = layout.read(message(plain("10.0.0.1", "10.0.0.2", helper=b"ftp\xff\0rest\0")), 0)
    assert flow(layout, values).helper == "ftp\\xff"
    assert " helper=ftp\\xff use=1" in writer(layout)(values)


def test_events_are_told_by_type_and_flags() -> None:
    one = plain("10.0.0.1", "10.0.0.2")
    data = message(one, flags=0x600) + message(one, flags=0) + message(one, kind=0x102, flags=0)
    assert [(event, by) for event, by, _, _ in Events().read(data)] == [("new", 77), ("update", 77), ("destroy", 77)]


@given(st.binary(max_size=200))
def test_any_bytes_are_events_or_malformed(data: bytes) -> None:
    with suppress(Malformed, Refused):
        list(Events().read(data))


def test_counters_of_processors_and_their_end() -> None:
    body = struct.pack("=BBH", 0, 0, 0x0300) + attribute(2, b"\0\0\0\7") + attribute(10, b"\0\0\1\0") + attribute(1, b"\0" * 4)
    data = struct.pack("=IHHII", 16 + len(body), 0x104, 2, 1, 1) + body
    cpus, done = of_cpus(data)
    assert (cpus[0].cpu, cpus[0].counters, done) == (3, {"found": 7, "drop": 256}, False)
    assert of_cpus(control(DONE)) == ([], True)


def test_each_counter_is_told_by_its_own_name() -> None:
    """In the order of enum ctattr_stats_cpu, with a value of its own each; ignore and the deletions are not counted any more."""
    names = "searched found new invalid ignore delete delete_list insert insert_failed drop early_drop error search_restart "
    order = (names + "clash_resolve chaintoolong").split()
    body = struct.pack("=BBH", 0, 0, 0) + b"".join(attribute(n, struct.pack(">I", 100 * n)) for n in range(1, len(order) + 1))
    (cpu,), _ = of_cpus(struct.pack("=IHHII", 16 + len(body), 0x104, 2, 1, 1) + body)
    gone = {"searched", "new", "ignore", "delete", "delete_list"}
    assert cpu.counters == {name: 100 * n for n, name in enumerate(order, 1) if name not in gone}


def test_the_count_is_read_from_its_answer_only() -> None:
    body = struct.pack("=BBH", 0, 0, 0) + attribute(1, b"\0\0\1\0") + attribute(2, b"\0\0\2\0")
    assert count(struct.pack("=IHHII", 16 + len(body), 0x105, 0, 1, 1) + body) == 256
    with pytest.raises(Malformed):
        count(control(DONE))


def test_counters_in_proc_are_hexadecimal_and_named_as_the_tool_names_them() -> None:
    heads = "entries  searched found invalid drop early_drop icmp_error clashres chainlength"
    text = f"{heads}\n00000010 0 0000000a 00000001 0 2 0 3 4\n"
    known = {"found": 10, "invalid": 1, "drop": 0, "early_drop": 2, "error": 0, "clash_resolve": 3, "chaintoolong": 4}
    assert of_proc(text)[0].counters == known
    assert of_proc("") == ()
    with pytest.raises(Malformed):
        of_proc("found\nxyz\n")


def _counted_by(kind: int, resource: int, *body: bytes) -> bytes:
    said = struct.pack(">BBH", 0, 0, resource) + b"".join(body)
    return struct.pack("=IHHII", 16 + len(said), kind, 2, 1, 1) + said


@given(st.lists(st.dictionaries(st.integers(0, 20), st.integers(0, 2**32 - 1)), max_size=4))
def test_each_counter_of_each_processor_is_read_by_its_name(said: list[dict[int, int]]) -> None:
    data = b"".join(
        _counted_by(0x104, cpu, *(attribute(kind, struct.pack(">I", value)) for kind, value in counters.items()))
        for cpu, counters in enumerate(said)
    )
    wanted = [Cpu(cpu, {NAMES[n]: value for n, value in counters.items() if n in NAMES}) for cpu, counters in enumerate(said)]
    assert of_cpus(data + control(DONE)) == (wanted, True)


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 255), min_size=2, max_size=2), st.data())
def test_damaged_counters_are_read_or_malformed(value: int, at_and_byte: list[int], data: st.DataObject) -> None:
    body = attribute(1, struct.pack(">I", value)) + attribute(2, struct.pack(">I", ~value & 0xFFFFFFFF))
    for kind, read_from in ((0x104, of_cpus), (0x105, count)):
        whole = _counted_by(kind, 3, body)
        assert count(whole) == value if kind == 0x105 else of_cpus(whole)[0][0].cpu == 3
        damaged = bytearray(whole)
        damaged[at_and_byte[0] % len(whole)] = at_and_byte[1]
        for hostile in (bytes(damaged), whole[: data.draw(st.integers(0, len(whole) - 1))], data.draw(st.binary(max_size=60))):
            with suppress(Malformed):
                read_from(hostile)


HEADS = ("entries", "searched", "found", "invalid", "insert", "insert_failed", "drop", "early_drop", "icmp_error", "new_one")
ROWS = st.lists(st.lists(st.integers(0, 2**64 - 1), min_size=len(HEADS), max_size=len(HEADS)), max_size=4)


@given(ROWS, st.data())
def test_counters_in_proc_are_those_of_their_columns_and_a_damaged_file_is_read_or_malformed(
    rows: list[list[int]], data: st.DataObject
) -> None:
    text = "\n".join(["  ".join(HEADS), *(" ".join(f"{value:08x}" for value in row) for row in rows), ""])
    names = {**{name: name for name in NAMES.values()}, "icmp_error": "error"}
    wanted = [{names[head]: value for head, value in zip(HEADS, row, strict=True) if head in names} for row in rows]
    assert [cpu.counters for cpu in of_proc(text)] == wanted
    at = data.draw(st.integers(0, len(text)))
    with suppress(Malformed):
        of_proc(text[:at] + data.draw(st.text(max_size=4)) + text[at + data.draw(st.integers(0, 9)) :])


@pytest.mark.parametrize("row", ["1", "1 2 3", "0x1 2", "-1 2", "1_0 2", "\u0661 2"])
def test_a_row_of_proc_that_is_not_of_its_columns_is_malformed(row: str) -> None:
    with pytest.raises(Malformed):
        of_proc(f"found drop\n{row}\n")


@given(sayings())
def test_a_nest_inside_a_nest_of_nothing_is_no_flow(said: Said) -> None:
    body = struct.pack("=BBH", said.family, 0, 0) + nest(1, nest(1)) + nest(2, nest(1))
    with pytest.raises(Malformed):
        learn(struct.pack("=IHHII", 16 + len(body), NEW, 2, 1, 1) + body)
