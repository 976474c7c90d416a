"""Records of DNSSEC and fingerprints of keys are shown as dig shows the RFCs' examples; no data, however wrong, do harm."""

from __future__ import annotations

import contextlib
import struct
from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_helper.dns import dnssec, kinds, message, records
from node_helper.dns.names import Malformed
from tests.unit.test_dns_message import record, reply

SIGNATURE = (
    "oJB1W6WNGv+ldvQ3WDG0MQkg5IEhjRip8WTrPYGv07h108dUKGMeDPKi jVCHX3DDKdfb+v6oB9wfuh3DTJXUAfI/M0zmO/zz8bW0Rznl8O3tGNaz"
    " PwQKkRN20XPXV6nwwfoXmJQbsLNrLfkGJ5D6fwFm8nN+6pBzeDQfsS3A p3o="
)
PUBLIC = (
    "AQPSKmynfzW4kyBv015MUG2DeIQ3Cbl+BBZH4b/0PY1kxkmvHjcZc8no kfzj31GajIQKY+5CptLr3buXA10hWqTkF7H6RfoRqXQeogmMHfpftf6z"
    " Mv1LyBUgia7za6ZEzOJBOztyvhjL742iU/TpPSEDhm2SNKLijfUppn1U aNvv4w=="
)
HOST = b"\x04host\x07example\x03com\x00"
SIGNED = (1, 5, 3, 86400, 1048354263, 1045762263, 2642)
"""Type covered, algorithm, labels, TTL, expiration, inception and key tag in RFC 4034 3.3."""
WINDOWS = b"\x00\x06\x40\x01\x00\x00\x00\x03" + b"\x04\x1b" + bytes(26) + b"\x20"
NEXT = bytes.fromhex("174eb2409fe28bcb4887a1836f957f0a8425e27b")
HASHING = b"\x01\x01\x00\x0c\x04\xaa\xbb\xcc\xdd"
CERTIFICATE = bytes.fromhex("d2abde240d7cd3ee6b4b28c54df034b97983a1d16e8a410e4561cb106618e971")


def signed(*numbers: int) -> bytes:
    return struct.pack("!HBBIIIH", *numbers) + HOST[5:] + b64decode(SIGNATURE)


EXAMPLES = [
    # RFC 4034 5.4, 2.3, 3.3, 4.3
    (
        "DS",
        b"\xec\x45\x05\x01" + bytes.fromhex("2bb183af5f22588179a53b0a98631fad1a292118"),
        "60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118",
    ),
    ("DNSKEY", b"\x01\x00\x03\x05" + b64decode(PUBLIC), f"256 3 5 {PUBLIC}"),
    ("RRSIG", signed(*SIGNED), f"A 5 3 86400 20030322173103 20030220173103 2642 example.com. {SIGNATURE}"),
    ("NSEC", HOST + WINDOWS, "host.example.com. A MX RRSIG NSEC TYPE1234"),
    # RFC 5155 A
    ("NSEC3", HASHING + b"\x14" + NEXT + b"\x00\x01\x40", "1 1 12 AABBCCDD 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR A"),
    ("NSEC3", b"\x01\x00\x00\x00\x00\x14" + NEXT, "1 0 0 - 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR"),
    ("NSEC3", b"\x02\x00\x00\x00\x00\x02\x66\x6f", "2 0 0 - CPNG"),
    ("NSEC3PARAM", HASHING, "1 1 12 AABBCCDD"),
    ("NSEC3PARAM", HASHING[:4] + b"\x00", "1 1 12 -"),
    # RFC 8078 4
    ("CDS", bytes(5), "0 0 0 00"),
    ("CDNSKEY", b"\x00\x00\x03\x00\x00", "0 3 0 AA=="),
    # RFC 6698 2.3, RFC 4255 3.3
    ("TLSA", b"\x00\x00\x01" + CERTIFICATE, f"0 0 1 {CERTIFICATE.hex().upper()[:56]} {CERTIFICATE.hex().upper()[56:]}"),
    ("SSHFP", b"\x02\x01" + bytes.fromhex("123456789abcdef67890" * 2), f"2 1 {'123456789ABCDEF67890' * 2}"),
    ("SSHFP", b"\x02\x03", "2 3"),
    # what they leave open
    ("CDS", b"\x00\x01\x08\x04" + bytes(48), f"1 8 4 {'0' * 56} {'0' * 40}"),
    ("CDS", b"\x00\x01\x08\x03x", "1 8 3 78"),
    ("DNSKEY", b"\x01\x01\x03\xfd\x01a\x00", "257 3 253 AWEA"),
    ("NSEC", b"\x00" + b"\x01\x01\x40" + b"\xff\x20" + bytes(31) + b"\x01", ". CAA TYPE65535"),
    ("NSEC", b"\x02.\xff\x00" + b"\x00\x01\x80", "\\.\\255. TYPE0"),
    ("NSEC", b"\x01b\xc0\x0e" + WINDOWS, "b.example. A MX RRSIG NSEC TYPE1234"),
    ("RRSIG", signed(*SIGNED)[:18] + b"\xc0\x0c123", "A 5 3 86400 20030322173103 20030220173103 2642 a.example. MTIz"),
    ("HINFO", b'\x05a "b;\x02\xff\\', '"a \\"b;" "\\255\\\\"'),
    ("HINFO", b"\x00\x00", '"" ""'),
]


@pytest.mark.parametrize(("kind", "data", "shown"), EXAMPLES)
def test_records_are_shown_as_dig_shows_them(kind: str, data: bytes, shown: str) -> None:
    said = message.parse(reply(record(kinds.number(kind), data)))
    assert said.records == (("a.example.", kind, 30, shown),)


@pytest.mark.parametrize(("covered", "shown"), [(65280, "TYPE65280"), (0, "TYPE0"), (257, "CAA")])
def test_a_signature_names_the_type_that_it_covers(covered: int, shown: str) -> None:
    (said,) = message.parse(reply(record(46, signed(covered, *SIGNED[1:])))).records
    assert said[3].split()[0] == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "19700101000000"),
        ((1 << 31) - 1, "20380119031407"),
        (1 << 31, "20380119031408"),
        (3_900_000_000, "20930801212000"),
        (3_950_000_000, "19590126074504"),
        ((1 << 32) - 1, "19691231235959"),
    ],
)
def test_a_time_is_one_within_68_years(seconds: int, shown: str) -> None:
    (said,) = message.parse(reply(record(46, signed(*SIGNED[:4], seconds, 1, 2)))).records
    assert said[3].split()[4:6] == [shown, "19700101000001"]


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        *(
            ("DS", b"\x00\x01\x08" + data)
            for data in (b"", b"\x00", b"\x01" + bytes(19), b"\x02" + bytes(33), b"\x04" + bytes(32))
        ),
        *(("SSHFP", data) for data in (b"\x01", b"\x01\x01" + bytes(19), b"\x01\x02" + bytes(33))),
        *(("TLSA", data) for data in (b"", b"\x00\x00", b"\x00\x00\x01")),
        *(("DNSKEY", b"\x01\x00\x03" + data) for data in (b"", b"\x05", b"\xfd\x02a", b"\xfd\xc0\x0c")),
        *(("RRSIG", data) for data in (b"", signed(*SIGNED)[:17], signed(*SIGNED)[:31], signed(*SIGNED)[:18] + b"\xc0\x0c")),
        *(("NSEC", data) for data in (b"", b"\x01a", HOST, b"\xc0\x0c", HOST + b"\x00")),
        *(("NSEC", HOST + data) for data in (b"\x00\x00", b"\x00\x21" + b"\x01" * 33, b"\x00\x02\x40\x00", b"\x00\x02\x40")),
        *(("NSEC", HOST + first + b"\x01\x01\x40") for first in (b"\x01\x01\x40", b"\x02\x01\x40")),
        *(("NSEC3", HASHING[:-1] + data) for data in (b"", b"\xdd", b"\xdd\x13" + bytes(19), b"\xdd\x14" + bytes(20) + b"\x00")),
        *(("NSEC3", b"\x02" + HASHING[1:] + data) for data in (b"\x00", b"\x28" + bytes(40), b"\x02x")),
        *(("NSEC3PARAM", data) for data in (b"", HASHING[:4], HASHING[:-1], HASHING + b"\x00")),
        *(("HINFO", data) for data in (b"", b"\x01a", b"\x01a\x02b", b"\x01a\x01b\x00")),
    ],
)
def test_data_that_bind_refuses_are_malformed(kind: str, data: bytes) -> None:
    with pytest.raises(Malformed):
        message.parse(reply(record(kinds.number(kind), data)))


def test_the_types_of_a_gigantic_answer_are_malformed() -> None:
    full = record(47, b"\x00" + b"".join(bytes([window, 32]) + b"\xff" * 32 for window in range(256)))
    assert len(message.parse(reply(full)).records[0][3].split()) == 1 + (1 << 16)
    with pytest.raises(Malformed, match="unfold"):
        message.parse(reply(*[full] * 7))


@given(st.sets(st.integers(0, 65535), min_size=1))
def test_every_set_of_types_is_read_as_it_was_written(wrote: set[int]) -> None:
    windows = {number >> 8: bytearray((max(n for n in wrote if n >> 8 == number >> 8) & 0xFF) // 8 + 1) for number in wrote}
    for number in wrote:
        windows[number >> 8][(number & 0xFF) // 8] |= 0x80 >> number % 8
    bitmap = b"".join(bytes([window, len(octets)]) + octets for window, octets in sorted(windows.items()))
    (said,) = message.parse(reply(record(47, HOST + bitmap))).records
    assert [kinds.number(name) for name in said[3].split()[1:]] == sorted(wrote)


@given(st.sampled_from(sorted(dnssec.FORMS)), st.binary(max_size=600))
def test_any_bytes_are_data_or_malformed(kind: int, data: bytes) -> None:
    with contextlib.suppress(Malformed):
        assert records.present(data, records.Resource("", kind, 1, 0, 0, len(data))).isprintable()


@given(st.sampled_from(EXAMPLES), st.integers(0, 200), st.binary(max_size=3), st.integers(0, 3))
def test_damaged_data_are_data_or_malformed(example: tuple[str, bytes, str], at: int, put: bytes, gone: int) -> None:
    kind, good, _ = example
    at %= len(good) + 1
    damaged = good[:at] + put + good[at + gone :]
    with contextlib.suppress(Malformed):
        assert message.parse(reply(record(kinds.number(kind), damaged))).records[0][3].isprintable()
