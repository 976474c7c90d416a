"""The lines between worker and helper: what is written can be read, and whatever else comes is `Malformed`."""

from __future__ import annotations

import contextlib
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_helper import parts, wire
from node_helper.codec import Malformed
from node_helper.log import _word
from workers.nodes.replies import Answer, Cannot, End, Part, Rows, read_reply

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
ASKED = st.builds(
    wire.Asked,
    id=st.integers(0, 2**53),
    ask=st.text(max_size=20),
    schema=st.text(max_size=12),
    seconds=st.floats(0.001, 3600),
    memory_mb=st.integers(1, 4096),
    trace=st.from_regex(r"[A-Za-z0-9._:-]{0,128}", fullmatch=True),
    credit=st.integers(1, 1024),
    again_after=st.none(),
    query=JSON,
)
KEYS = [
    "id",
    "ask",
    "schema",
    "seconds",
    "credit",
    "cancel",
    "query",
    "trace",
    "hello",
    "cannot",
    "answer",
    "rows",
    "part",
    "z",
    "end",
]
NEARLY = st.dictionaries(st.sampled_from(KEYS), JSON).map(lambda data: json.dumps(data).encode())


def noise(size: int) -> bytes:
    return b"".join(hashlib.sha256(b"%d" % i).digest() for i in range(size // 32))


@given(ASKED)
def test_a_question_crosses_unchanged(asked: wire.Asked) -> None:
    line = wire.request_line(asked)
    assert line.count(b"\n") == 1
    assert wire.read_request(line.rstrip()) == asked


@pytest.mark.parametrize("request_", [wire.Credit(7, 4), wire.Cancel(7)])
def test_credit_and_cancel_cross_unchanged(request_: wire.Request) -> None:
    assert wire.read_request(wire.request_line(request_)) == request_


@given(st.binary(max_size=400) | NEARLY)
def test_no_line_is_worse_than_malformed(line: bytes) -> None:
    for read in (wire.read_request, read_reply):
        with contextlib.suppress(Malformed):
            read(line)


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 900_000,
        b'{"id":' + b"9" * 900_000 + b"}",
        b'{"id":1,"ask":"x","schema":"","seconds":1e999}',
        b'{"id":1,"ask":"x","schema":"","seconds":NaN}',
        b'{"id":1,"ask":"x","schema":"","seconds":5,"again_after":6}',
        b'{"id":1,"ask":"x","schema":"","seconds":5,"trace":"a b\\n"}',
        b'{"id":1,"ask":"x","schema":"","seconds":5,"credit":0}',
        b'{"id":1,"ask":"x","schema":"","seconds":5,"unknown":1}',
        b'{"id":true,"credit":1}',
        b"\xff\xfe",
        b"null",
        b"",
    ],
    ids=lambda line: str(line[:30]),
)
def test_hostile_questions_are_malformed(line: bytes) -> None:
    with pytest.raises(Malformed):
        wire.read_request(line)


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b'{"id":1,"part":0,"z":"eJw="}', Part(1, 0, "eJw=")),
        (b'{"id":1,"rows":[{"a":1},2]}', Rows(1, ({"a": 1}, 2))),
        (b'{"id":1,"answer":null,"took":0.5,"cpu":0.25}', Answer(1, 0.5, 0.25, None)),
        (b'{"id":1,"end":true,"took":1,"cpu":0}', End(1, 1.0, 0.0)),
        (b'{"id":1,"cannot":{"kind":"gone","reason":"r","fix":"f"}}', Cannot("gone", "r", "f", 1)),
        (b'{"cannot":{"kind":"malformed","reason":"r","fix":""}}', Cannot("malformed", "r", "", None)),
    ],
)
def test_replies_are_read(line: bytes, reply: Any) -> None:
    assert read_reply(line) == reply


def test_a_newer_helper_may_say_more_in_its_hello() -> None:
    said = wire.Hello("9.9", {"x": "y"}, "n", "m", "k", "3.14", root=True, installed=True, changes=True, backends={})
    line = json.loads(wire.hello_line(said))
    line["hello"]["invented_later"] = {"a": 1}
    assert read_reply(json.dumps(line).encode()) == said


@given(st.lists(st.binary(max_size=60).filter(lambda b: b"\n" not in b)), st.data())
def test_lines_come_whole_however_bytes_arrive(lines: list[bytes], data: st.DataObject) -> None:
    stream, reader, seen = b"".join(line + b"\n" for line in lines), wire.Lines(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        seen += reader.feed(stream[:size])
        stream = stream[size:]
    assert seen == lines


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_line_without_end_is_not_kept(end: bytes) -> None:
    reader = wire.Lines()
    for _ in range(16):
        reader.feed(b"x" * (1 << 16))
    with pytest.raises(Malformed):
        reader.feed(b"x" + end)


@given(st.binary(max_size=2000), st.integers(1, 400))
def test_parts_put_together_are_the_whole(data: bytes, times: int) -> None:
    joined = parts.Joined(len(data) * times)
    for number, piece in enumerate(parts.cut(data * times)):
        joined.add(number, piece)
    assert joined.content() == data * times


def test_no_part_is_longer_than_a_line_may_be() -> None:
    pieces = list(parts.cut(noise(1_000_000)))
    assert len(pieces) > 15
    assert all(len(piece) <= parts.PART * 4 / 3 + 4 for piece in pieces)


@given(st.lists(st.tuples(st.integers(0, 3), st.text(max_size=40)), max_size=4))
def test_no_part_is_worse_than_malformed(pieces: list[tuple[int, str]]) -> None:
    joined = parts.Joined(1000)
    with contextlib.suppress(Malformed):
        for number, piece in pieces:
            joined.add(number, piece)
        joined.content()


def test_an_answer_that_unpacks_to_too_much_is_refused_before_it_does() -> None:
    with pytest.raises(Malformed, match="more than 1000 bytes"):
        parts.Joined(1000).add(0, next(parts.cut(bytes(10_000_000))))


def test_a_missing_part_is_noticed() -> None:
    pieces = list(parts.cut(noise(200_000)))
    joined = parts.Joined(1 << 20)
    joined.add(0, pieces[0])
    with pytest.raises(Malformed, match="part 2 came instead of part 1"):
        joined.add(2, pieces[2])
    with pytest.raises(Malformed, match="before its last part"):
        joined.content()


@given(st.text(max_size=50))
def test_a_value_in_the_log_stays_on_its_line(value: str) -> None:
    assert "\n" not in _word(value)
    assert " " not in _word(value) or _word(value).startswith('"')
