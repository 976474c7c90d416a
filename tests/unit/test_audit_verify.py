"""Whatever is done to the chains, verification says that something was done; and nothing where nothing was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.audit_parts import ANN, HOUR_MS, NOW, Writer, judged, signer
from workers.audit import lines, record
from workers.audit.chain import Chain
from workers.audit.entry import Kind
from workers.audit.keys import Signer
from workers.audit.lines import Seal
from workers.audit.verify import Clock, What

BOT, WORKER, APPROVER = signer("bot"), signer("worker"), signer("approver")
COUNT = 6


def bot(count: int = COUNT, by: Signer = BOT, name: str = "a1") -> Writer:
    writer = Writer(by, name)
    writer.writes(count)
    writer.tells()
    return writer


def kinds(writer: Writer, stored: list[bytes], clock: Clock = NOW) -> set[What]:
    return {problem.what for problem in judged({writer.writer: stored}, writer.told, clock).problems}


def test_what_was_written_is_good() -> None:
    one, other = bot(), bot(3, WORKER)
    verdict = judged({one.writer: one.stored(), other.writer: other.stored()}, [*one.told, *other.told])
    assert verdict.good
    assert (verdict.entries, verdict.sealed, verdict.unsealed) == (COUNT + 3, COUNT + 3, {})


def test_entries_after_the_last_head_are_not_sealed_yet_and_no_error() -> None:
    one = bot()
    one.writes(2)
    verdict = judged({one.writer: one.stored()}, one.told)
    assert verdict.good
    assert verdict.unsealed == {one.writer: 2}


@pytest.mark.parametrize(
    ("tamper", "what"),
    [
        (lambda s: s[:2] + s[3:], What.REMOVED),
        (lambda s: s[2:], What.REMOVED),
        (lambda s: [*s[:1], s[2], s[1], *s[3:]], What.REORDERED),
        (lambda s: s[::-1], What.REORDERED),
        (lambda s: s[:-1], What.CUT_OFF),
        (lambda s: s[:1], What.CUT_OFF),
        (lambda _: [], What.CUT_OFF),
        (lambda s: [*s, s[-1]], What.REORDERED),
        (lambda s: [*s[:2], s[0], *s[2:]], What.REORDERED),
        (lambda s: [*s[:2], s[2].replace(b"pod web-2", b"pod web-9"), *s[3:]], What.CHANGED),
        (lambda s: [*s, b"1.x.y.{}"], What.CHANGED),
    ],
)
def test_each_way_of_tampering_has_its_name(tamper: Callable[[list[bytes]], list[bytes]], what: What) -> None:
    writer = bot()
    assert what in kinds(writer, tamper(writer.stored()))


@given(st.data())
def test_any_single_mutation_is_found(data: st.DataObject) -> None:
    """Of a sealed chain: one record removed, one byte changed, two exchanged, the end cut off, one repeated."""
    writer, other = bot(), bot(4, BOT, "b2")
    stored = writer.stored()
    at = data.draw(st.integers(0, COUNT - 1))
    to = data.draw(st.integers(0, COUNT - 1).filter(lambda n: n != at))
    match data.draw(st.sampled_from(["remove", "change", "swap", "cut", "splice", "replay", "move"])):
        case "remove":
            del stored[at]
        case "change":
            raw = bytearray(stored[at])
            place = data.draw(st.integers(0, len(raw) - 1))
            raw[place] ^= data.draw(st.integers(1, 255))
            stored[at] = bytes(raw)
        case "swap":
            stored[at], stored[to] = stored[to], stored[at]
        case "cut":
            del stored[at:]
        case "splice":
            stored[at] = data.draw(st.sampled_from(other.stored()))
        case "replay":
            stored.insert(to, stored[at])
        case "move":
            stored.insert(to, stored.pop(at))
    verdict = judged({writer.writer: stored, other.writer: other.stored()}, [*writer.told, *other.told])
    assert not verdict.good


def test_a_chain_that_is_all_gone_is_missed() -> None:
    writer = bot()
    (problem,) = judged({}, writer.told).problems
    assert (problem.what, problem.writer) == (What.CUT_OFF, writer.writer)


def test_who_has_the_key_of_another_role_cannot_write_for_it() -> None:
    forged = Writer(WORKER, "a1")
    forged.chain.writer = "bot-a1"
    forged.writes(2)
    forged.told.append(lines.sign(WORKER, lines.head_of(forged.records[-1])))
    found = {problem.what for problem in judged({"bot-a1": forged.stored()}, [*bot().told, *forged.told]).problems}
    assert found >= {What.CHANGED, What.SINK}


def test_a_chain_of_a_key_that_the_sink_never_heard_of_is_forged() -> None:
    stranger = bot(2, signer("bot"))
    verdict = judged({stranger.writer: stranger.stored()}, bot(1, BOT, "b2").told)
    assert any("which is not known" in problem.detail for problem in verdict.problems)


def test_another_ending_by_who_stole_the_key_differs_from_the_sink() -> None:
    writer = bot()
    fork = Writer(BOT, "a1")
    fork.writes(COUNT - 1)
    fork.ms += 5
    fork.records.append(fork.chain.add(Kind.COMMAND, ANN, {"line": "help"}))
    assert kinds(writer, fork.stored()) == {What.CHANGED}


def test_a_chain_that_never_reached_the_sink_is_told_once_it_had_the_time() -> None:
    writer = Writer(BOT)
    writer.writes(2)
    assert kinds(writer, writer.stored()) == {What.UNSEALED}
    assert kinds(writer, writer.stored(), Clock(5_000)) == set()


def test_what_has_expired_may_be_missing_and_nothing_else() -> None:
    writer = Writer(BOT)
    writer.writes(3)
    writer.tells()
    writer.ms += 10 * HOUR_MS
    writer.writes(3)
    writer.tells()
    late = Clock(writer.ms, keep_ms=HOUR_MS)
    verdict = judged({writer.writer: writer.stored()[3:]}, writer.told, late)
    assert (verdict.good, verdict.expired) == (True, (writer.writer,))
    assert kinds(writer, writer.stored()[4:], late) == {What.REMOVED}
    assert kinds(writer, writer.stored()[3:], Clock(writer.ms)) == {What.REMOVED}
    gone = replace(late, now_ms=writer.ms + 3 * HOUR_MS)
    assert judged({}, writer.told, gone).good
    assert kinds(writer, [], late) == {What.CUT_OFF}


def sealed(writer: Writer, count: int) -> list[Seal]:
    seals: list[Seal] = []
    for n in range(count):
        writer.writes()
        before = seals[-1].digest if seals else ""
        seals.append(lines.sign(APPROVER, Seal("approver", n + 1, before, "x", (lines.head_of(writer.records[-1]),))))
    return seals


def test_counter_signed_heads_count_like_heads_and_a_missing_seal_is_missed() -> None:
    writer = Writer(BOT)
    seals = sealed(writer, 3)
    known = [*writer.told, lines.key_line(APPROVER, "x")]
    assert judged({writer.writer: writer.stored()}, [*known, *seals, seals[-1]]).good
    assert judged({writer.writer: writer.stored()}, [*known, *seals[1:]]).good
    assert [p.what for p in judged({writer.writer: writer.stored()[:2]}, [*known, *seals]).problems] == [What.CUT_OFF]
    assert [p.what for p in judged({writer.writer: writer.stored()}, [*known, seals[0], seals[2]]).problems] == [What.SINK]


def test_a_line_of_the_sink_that_was_changed_is_damage_and_half_a_line_is_none() -> None:
    writer = bot()
    head = writer.tells()
    changed = judged({writer.writer: writer.stored()}, [*writer.told, replace(head, seq=2)])
    assert [problem.what for problem in changed.problems] == [What.SINK]
    half = lines.read([lines.MARK + '{"what":"head","wri', *map(lines.dumps, writer.told), "Jan 1 host sshd: hello"])
    assert (half.damaged, half.unreadable) == ((), (1,))


def test_a_syslog_daemon_may_put_what_it_likes_before_a_line() -> None:
    writer = bot()
    told = [f"Jan  1 00:00:00 host netcheck[1]: {lines.dumps(line)}\n" for line in writer.told]
    assert lines.read(told) == lines.read([lines.dumps(line) for line in writer.told])


def test_lines_of_another_installation_in_the_same_sink_are_not_ours() -> None:
    ours, theirs = bot(by=replace(BOT, of="lab/netcheck")), bot(2, replace(WORKER, of="production/netcheck"))
    told = [lines.dumps(line) for line in (*ours.told, *theirs.told)]
    read = lines.read(told, of="lab/netcheck")
    assert ({head.writer for head in read.heads}, set(read.keys), read.damaged) == ({"bot-a1"}, {BOT.public.id}, ())
    moved = [line.replace("production/", "lab/") for line in told]
    assert lines.read(moved, of="lab/netcheck").damaged


def test_pinned_keys_are_the_only_ones() -> None:
    writer = bot()
    told = [lines.dumps(line) for line in writer.told]
    assert len(lines.read(told, {BOT.public.id: BOT.public}).heads) == 1
    assert lines.read(told, {WORKER.public.id: WORKER.public}).damaged


HOSTILE = st.one_of(
    st.binary(max_size=80),
    st.just(b"1.k.s." + b"[" * 100_000),
    st.sampled_from([b'1.k.s.{"seq":1e999}', b"1.\xff.s.{}", b"1...", b"", b'1.k.s.{"a":{}}']),
)


@given(st.lists(HOSTILE, max_size=4))
def test_what_somebody_wrote_into_redis_raises_nothing(stored: list[bytes]) -> None:
    verdict = judged({"bot-a1": stored, "": stored, "\0": stored}, bot(1, BOT, "b2").told)
    assert not verdict.good


@given(st.lists(st.one_of(st.text(max_size=60), st.text(max_size=60).map(lambda t: lines.MARK + t)), max_size=5))
def test_what_somebody_wrote_into_the_sink_raises_nothing(told: list[str]) -> None:
    read = lines.read([*told, lines.MARK + "[" * 100_000])
    assert not read.heads


def test_a_record_is_read_as_it_was_written() -> None:
    one = bot(1).records[0]
    assert record.read(one.dumps()) == one


def test_times_never_go_back() -> None:
    times = iter([5000, 4000, 6000])
    chain = Chain(BOT, "a1", lambda: next(times))
    assert [chain.add(Kind.COMMAND, ANN, {}).entry.at[17:23] for _ in range(3)] == ["05.000", "05.000", "06.000"]
