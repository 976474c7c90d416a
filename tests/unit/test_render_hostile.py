from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import few
from tests.slack_limits import refuse_what_slack_refuses
from workers.errors import Unresolved, UsageError
from workers.model import Confidence, Evidence, Finding, RawFile, Report, Severity, Shown, Table
from workers.render import as_json, blocks, escape, listing, notices, progress, terminal
from workers.render.progress import Progress, Stage

bits = st.sampled_from(
    ["<!channel>", "<!here|x>", "<@U0123ABC>", "<#C1|ops>", "<http://x|y>", "&lt;!channel&gt;", "`", "```", "*a*", "_b_", "~c~",
     ":x:", "\n", "\x00", "\x1b[31m", "\u202e", "\u200b", "\ud800", '"', "\\", "&", "<", ">", "é", "🔴", "a" * 3_000,
     "&" * 900, "\x07" * 700]
)  # fmt: skip
text = st.one_of(st.text(max_size=30), st.lists(bits, max_size=6).map("".join))
evidence = st.builds(Evidence, text, text, text)
findings = st.builds(
    Finding, text, st.sampled_from(Severity), text, st.lists(evidence, max_size=6).map(tuple), text, text, text, text,
    st.sampled_from(Confidence), text,
)  # fmt: skip
row = st.lists(text, max_size=4).map(tuple)
tables = st.builds(Table, text, st.lists(row, max_size=15).map(tuple), row)
pairs = st.builds(Table, text, st.lists(st.tuples(text, text), max_size=40).map(tuple))
files = st.builds(RawFile, text, text)
shown = st.builds(
    Shown, text, st.just({}), st.lists(st.one_of(tables, pairs), max_size=4).map(tuple), st.lists(files, max_size=2).map(tuple),
    st.lists(text, max_size=7).map(tuple),
)  # fmt: skip
some = st.lists(text, max_size=9).map(tuple)
reports = st.builds(
    Report, text, text, st.floats(0, 1e6), some, st.lists(findings, max_size=9).map(tuple), shown
)  # fmt: skip


@few(40)
@given(reports, text)
def test_every_report_becomes_a_message_that_slack_takes_and_that_pings_nobody(report: Report, again: str) -> None:
    refuse_what_slack_refuses(blocks.message(report, again=again))


@few(40)
@given(reports)
def test_every_report_becomes_text_that_does_nothing_to_a_terminal(report: Report) -> None:
    said = terminal.text(report)
    assert all(line.isprintable() for line in said.split("\n"))
    assert json.loads(as_json.dumps(report))["verdict"] == report.verdict.value
    assert as_json.dumps(report).isascii()


@given(text, text, st.lists(text, max_size=8).map(tuple))
def test_every_notice_is_a_message_that_slack_takes(one: str, other: str, more: tuple[str, ...]) -> None:
    for message in (
        notices.usage(UsageError(one, usage=other, nearest=more)),
        notices.unresolved(Unresolved(one, candidates=more), f"pod {{}} {other}"),
        notices.refused(one),
        notices.cancelling(one, other),
        notices.cancelled(one, other, one),
        notices.failed(one, other, one),
        notices.finished(one, 12.0, notices.refused(other).text),
        listing.message(one, [escape.code(line, 300) for line in more * 9]),
    ):
        refuse_what_slack_refuses(message)


@given(text, text, st.sampled_from(Stage), st.floats(0, 1e5), some)
def test_progress_is_a_message_that_slack_takes(
    job: str, command: str, stage: Stage, elapsed: float, nodes: tuple[str, ...]
) -> None:
    refuse_what_slack_refuses(progress.message(Progress(job, command, stage, elapsed, nodes)))


@pytest.mark.parametrize(
    ("hostile", "harmless"),
    [
        ("<!channel>", "&lt;!channel&gt;"),
        ("a & b", "a &amp; b"),
        ("*bold* _soft_ ~gone~ `code`", "∗bold∗ ＿soft＿ ∼gone∼ `code`"),  # noqa: RUF001  (lookalikes are what it makes)
        ("nf_conntrack_max", "nf_conntrack_max"),
        ("run `netcheck-bot doctor` there`", "run `netcheck-bot doctor` there\u02cb"),
        ("set `nf_conntrack_max`", "set `nf_conntrack_max`"),
        (":white_check_mark: fine", "∶white_check_mark: fine"),  # noqa: RUF001  (again)
        ("fd00:10:244::1 0a:58:0a:f4:01:04", "fd00:10:244::1 0a:58:0a:f4:01:04"),
        ("a\nb\x1b[31m\u202ec", "a\\nb\\x1b[31m\\u202ec"),
    ],
)
def test_words_are_made_harmless_and_stay_readable(hostile: str, harmless: str) -> None:
    assert escape.mrkdwn(hostile, 200) == harmless


def test_what_a_bound_cuts_is_counted() -> None:
    assert escape.mrkdwn("x" * 100, 50) == "x" * 27 + "… (73 more characters)"


@given(text, st.integers(60, 400))
def test_bounds_hold_for_the_escaped_text(hostile: str, most: int) -> None:
    assert all(len(write(hostile, most)) <= most for write in (escape.mrkdwn, escape.code, escape.literal, escape.plain))


def test_a_user_id_is_mentioned_and_nothing_else_is() -> None:
    assert notices.finished("U0123ABC", 12.0, "done").text == "<@U0123ABC> after 12 s: done"
    assert notices.finished("!channel", 12.0, "done").text == "!channel after 12 s: done"
