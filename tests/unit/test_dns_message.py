"""DNS messages: what is asked is what RFC 1035 says, and no answer, however wrong, does harm."""

from __future__ import annotations

import contextlib
import struct
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from node_helper.dns import kinds, message, records
from node_helper.dns.names import Malformed, from_wire, to_wire

LABEL = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=63)
NAME = st.lists(LABEL, min_size=1, max_size=4).map(".".join).filter(lambda name: len(name) < 250)
ASKED = message.question(7, "a.example", "A")
QUESTION = ASKED[12:-11]


def reply(*answers: bytes, flags: int = 0x8180, counts: tuple[int, int, int] | None = None, extra: bytes = b"") -> bytes:
    an, ns, ar = counts or (len(answers), 0, 0)
    return struct.pack("!6H", 7, flags, 1, an, ns, ar) + QUESTION + b"".join(answers) + extra


def record(kind: int, data: bytes, ttl: int = 30, name: bytes = b"\xc0\x0c") -> bytes:
    return name + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data


def test_a_question_carries_edns_with_a_payload_that_crosses_any_path() -> None:
    assert ASKED[:12] == struct.pack("!6H", 7, 0x0100, 1, 0, 0, 1)
    assert QUESTION == b"\x01a\x07example\x00\x00\x01\x00\x01"
    assert ASKED[-11:] == b"\x00" + struct.pack("!HHIH", 41, 1232, 0, 0)


def test_without_edns_a_question_ends_with_the_question() -> None:
    assert message.question(7, "a.example", "A", edns=False) == struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + QUESTION


@given(NAME, st.sampled_from(sorted(kinds.TYPES)))
def test_a_name_survives_the_wire(name: str, kind: str) -> None:
    asked = message.question(1, name, kind)
    assert from_wire(asked, 12)[0] == name + "."
    assert to_wire(name) == to_wire(name + ".")


def test_the_root_is_a_name_too() -> None:
    assert from_wire(to_wire("."), 0) == (".", 1)


@pytest.mark.parametrize(
    "name", ["", "a..b", ".a", "a b", "é.example", "a\n", "x" * 64, ".".join(["x" * 60] * 5), "a\\.b", 'a"b']
)
def test_what_is_no_name_is_refused_before_it_is_sent(name: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        to_wire(name)


@pytest.mark.parametrize("kind", ["TYPE65536", "TYPE", "TYPE-1", "TYPE\u0661", "BANANA", ""])
def test_what_is_no_type_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="DNS type"):
        kinds.number(kind)


def test_types_without_a_name_have_a_number() -> None:
    assert (kinds.number("type65280"), kinds.number("aaaa"), kinds.kind_name(65280)) == (65280, 28, "TYPE65280")
    assert [kinds.kind_name(number) for number in (0, 23, 54, 65, 253)] == ["TYPE0", "NSAP-PTR", "TYPE54", "HTTPS", "MAILB"]


ALPN = (
    b"\x00\x01\x00\x00\x00\x00\x04\x00\x01\x00\x03\x00\x01\x00\x06\x02h2\x02h3\x00\x02\x00\x00\x00\x03\x00\x02\x01\xbb"
    b"\x00\x04\x00\x08\x0a\x00\x00\x01\x0a\x00\x00\x02\x00\x05\x00\x02\xff\xfe\x00\x06\x00\x10"
    + bytes(15)
    + b"\x01\x02\x9b\x00\x01x"
)
SAID = 'mandatory=alpn,port alpn="h2,h3" no-default-alpn port=443 ipv4hint=10.0.0.1,10.0.0.2 ech=//4= ipv6hint=::1 key667="x"'


@pytest.mark.parametrize(
    ("kind", "data", "shown"),
    [
        (1, bytes([10, 96, 0, 10]), ("A", "10.96.0.10")),
        (28, bytes(15) + b"\x01", ("AAAA", "::1")),
        (5, b"\x01b\xc0\x0e", ("CNAME", "b.example.")),
        (2, b"\x02ns\xc0\x0c", ("NS", "ns.a.example.")),
        (12, b"\xc0\x0c", ("PTR", "a.example.")),
        (15, b"\x00\x0a\x04mail\xc0\x0e", ("MX", "10 mail.example.")),
        (33, b"\x00\x01\x00\x02\x1f\x90\x01s\xc0\x0e", ("SRV", "1 2 8080 s.example.")),
        (16, b'\x05hello\x03w"\x00\x00', ("TXT", '"hello" "w\\"\\000" ""')),
        (6, b"\x02ns\xc0\x0c\x00" + struct.pack("!5I", 1, 2, 3, 4, 5), ("SOA", "ns.a.example. . 1 2 3 4 5")),
        (65280, b"\x01\xff", ("TYPE65280", "\\# 2 01FF")),
        (65280, b"\xab" * 57, ("TYPE65280", f"\\# 57 {'AB' * 28} {'AB' * 28} AB")),
        (65281, b"", ("TYPE65281", "\\# 0")),
        (39, b"\x01b\xc0\x0e", ("DNAME", "b.example.")),
        (257, b'\x80\x05issueca.test; a="b"', ("CAA", '128 issue "ca.test; a=\\"b\\""')),
        (35, b"\x00\x64\x00\x32\x01s\x07SIP+D2U\x00\xc0\x0c", ("NAPTR", '100 50 "s" "SIP+D2U" "" a.example.')),
        (64, b"\x00\x00\xc0\x0c", ("SVCB", "0 a.example.")),
        (65, ALPN, ("HTTPS", f"1 . {SAID}")),
    ],
)
def test_records_are_shown_as_a_zone_file_has_them(kind: int, data: bytes, shown: tuple[str, str]) -> None:
    said = message.parse(reply(record(kind, data)))
    assert said.records == (("a.example.", shown[0], 30, shown[1]),)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        *((257, data) for data in (b"", b"\x00", b"\x00\x05iss", b"\x00\x00ca.test", b"\x00\x01.x")),
        *((35, data) for data in (b"", b"\x00\x64\x00\x32\x01s\x01", b"\x00\x64\x00\x32\x00\x00\x00\x00x")),
        *((65, b"\x00\x01\x00\x00" + data) for data in (b"\x03\x00\x01\x01", b"\x03\x00\x03\x01\x01\x01", b"\x04\x00\x00")),
        *(
            (65, b"\x00\x01\x00\x00" + data)
            for data in (b"\x06\x00\x04abcd", b"\x01\x00\x02\x02h", b"\x09\x00\x00\x00\x08\x00\x00")
        ),
        (65, b"\x00\x01\x00\x00"),
    ],
)
def test_data_that_are_none_of_their_type_are_malformed(kind: int, data: bytes) -> None:
    with pytest.raises(Malformed):
        message.parse(reply(record(kind, data)))


def test_bytes_that_are_no_letters_are_escaped_in_names() -> None:
    hostile = b"\x05a.\n\x1b\xff\x00"
    assert from_wire(hostile, 0)[0] == "a\\.\\010\\027\\255."


@pytest.mark.parametrize(
    ("code", "name"),
    [(0, "NOERROR"), (1, "FORMERR"), (2, "SERVFAIL"), (3, "NXDOMAIN"), (4, "NOTIMP"), (5, "REFUSED"), (12, "RCODE12")],
)
def test_every_code_has_a_name(code: int, name: str) -> None:
    assert message.parse(reply(flags=0x8180 | code)).rcode == name


def test_edns_extends_the_code() -> None:
    opt = b"\x00" + struct.pack("!HHIH", 41, 1232, 1 << 24, 0)
    said = message.parse(reply(counts=(0, 0, 1), extra=opt))
    assert (said.rcode, said.edns) == ("BADVERS", 1232)
    assert message.parse(reply()).edns is None


def test_flags_are_told() -> None:
    for flags, told in ((0x8780, "tar"), (0x8400, "a"), (0x8080, "r"), (0x8020, "d"), (0x8000, "")):
        said = message.parse(reply(flags=flags))
        seen = (("t", said.truncated), ("a", said.authoritative), ("r", said.recurses), ("d", said.authentic))
        assert "".join(letter for letter, flag in seen if flag) == told


def test_a_truncated_answer_may_end_in_the_middle_of_a_record() -> None:
    cut = reply(record(1, b"\x0a\x00\x00\x01"), flags=0x8380)[:-2]
    assert (message.parse(cut).truncated, message.parse(cut).records) == (True, ())
    with pytest.raises(Malformed):
        message.parse(reply(record(1, b"\x0a\x00\x00\x01"))[:-2])


@pytest.mark.parametrize("data", [b"\xc0\x0c", b"\x01a\xc0\x0c", b"\xc0\xff", b"\xc0", b"\x40a", b"\x3f", b""])
def test_pointers_that_do_not_go_back_and_names_that_do_not_end_are_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        from_wire(bytes(12) + data, 12)


def test_a_name_made_long_by_pointers_is_malformed() -> None:
    label = b"\x3f" + b"a" * 63
    chain, last = label + b"\x00", 0
    for _ in range(4):
        chain, last = chain + label + struct.pack("!H", 0xC000 | last), len(chain)
    with pytest.raises(Malformed, match="longer"):
        from_wire(chain, last)


def test_an_answer_that_unfolds_to_megabytes_is_malformed() -> None:
    base = 12 + len(QUESTION)
    name = (b"\x3f" + b"\x01" * 63) * 3 + b"\x00"
    far = struct.pack("!H", 0xC000 | base)
    bomb = [record(5, name, name=name), *(record(5, far, name=far) for _ in range(4000))]
    assert len(message.parse(reply(*bomb[:100])).records) == 100
    with pytest.raises(Malformed, match="unfold"):
        message.parse(reply(*bomb))


@pytest.mark.parametrize(
    ("changed", "ours"),
    [
        (lambda m: m, True),
        (lambda m: b"\x00\x08" + m[2:], False),  # another id
        (lambda m: m[:2] + b"\x01\x00" + m[4:], False),  # a question, not a response
        (lambda m: m.replace(b"\x01a\x07", b"\x01b\x07"), False),  # another name
        (lambda m: m.replace(b"\x07example\x00\x00\x01", b"\x07example\x00\x00\x1c"), False),  # another type
        (lambda m: m.replace(b"example", b"EXAMPLE"), True),
        (lambda m: m[:11], False),
        (lambda _: struct.pack("!6H", 7, 0x8181, 0, 0, 0, 0), True),  # FORMERR without the question
        (lambda _: struct.pack("!6H", 7, 0x8180, 0, 0, 0, 0), False),
    ],
)
def test_only_a_response_to_what_was_asked_answers_it(changed: object, ours: bool) -> None:  # noqa: FBT001
    assert callable(changed)
    assert message.answers(ASKED, changed(reply(record(1, b"\x0a\x00\x00\x01")))) is ours


@given(st.lists(st.tuples(NAME, st.integers(0, 2**31 - 1), st.ip_addresses()), max_size=20), st.none() | st.integers(512, 65535))
def test_what_a_server_wrote_is_what_is_read(wrote: list[tuple[str, int, IPv4Address | IPv6Address]], size: int | None) -> None:
    answers = [record(1 if ip.version == 4 else 28, ip.packed, ttl, to_wire(name)) for name, ttl, ip in wrote]
    opt = b"" if size is None else b"\x00" + struct.pack("!HHIH", 41, size, 0, 0)
    said = message.parse(reply(*answers, counts=(len(answers), 0, len(opt) // 11), extra=opt))
    assert said.edns == size
    read = [(name, ttl, ip_address(data)) for name, _, ttl, data in said.records]
    assert read == [(f"{name}.", ttl, ip) for name, ttl, ip in wrote]


@given(st.binary(max_size=600))
@example(b"\xc0\x0c" * 300)
def test_any_bytes_are_an_answer_or_malformed(data: bytes) -> None:
    typed = (reply(record(kind, data[:60])) for kind in records._FORMS)
    for hostile in (data, reply(extra=data, counts=(3, 2, 1)), reply(record(6, data[:60]), record(16, data[60:])), *typed):
        message.answers(ASKED, hostile)
        try:
            said = message.parse(hostile)
        except Malformed:
            continue
        assert all(text.isprintable() for found in said.records for text in (found[0], found[3]))


@given(st.integers(0, 100), st.integers(0, 255), st.sampled_from(sorted(records._FORMS)))
def test_a_flipped_byte_is_an_answer_or_malformed(at: int, byte: int, kind: int) -> None:
    good = bytearray(
        reply(record(kind, b"\x01b\xc0\x0e"), record(1, b"\x0a\x00\x00\x01"), record(6, b"\xc0\x0c\xc0\x0c" + bytes(20)))
    )
    good[at % len(good)] = byte
    with contextlib.suppress(Malformed):
        message.parse(bytes(good))
