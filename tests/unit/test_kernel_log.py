from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from node_helper import kernel_log
from node_helper.facts import kernel_log as fact
from node_helper.protocol import CannotLook
from node_helper.records import Completed
from tests.pretend_kernel import NODE, PretendKernel

CLOCK = kernel_log.Clock(booted=1_767_225_600.0, now=1_767_229_200.0)  # 2026-01-01, one hour after midnight
FILES = {"/proc/stat": "cpu 1 2\nbtime 1767225600\n", "/proc/uptime": "3600.00 7000.00\n"}
OLD = "nf_conntrack: table full, dropping packet"
NEW = "nf_conntrack: nf_conntrack: table full in netns 4026531840, dropping packet"
NEIGHBOUR = "neighbour: arp_cache: neighbor table overflow!"


def test_records_of_the_device_have_their_wall_clock_time() -> None:
    text = f"4,100,1000000,-;{OLD}\n4,101,61500000,-;{NEW}\n SUBSYSTEM=net\n6,102,62000000,-;eth0: link up\n"
    text += f"4,103,3599000000,c;{NEIGHBOUR}\n"
    assert kernel_log.of_device(text, CLOCK) == [
        kernel_log.LogLine("2026-01-01T00:00:01Z", "conntrack-full", OLD, None),
        kernel_log.LogLine("2026-01-01T00:01:01Z", "conntrack-full", NEW, 4026531840),
        kernel_log.LogLine("2026-01-01T00:59:59Z", "neighbour-overflow", NEIGHBOUR, None),
    ]


def test_the_journal_and_both_forms_of_syslog_say_the_same() -> None:
    expected = [kernel_log.LogLine("2026-01-01T00:30:00Z", "conntrack-full", OLD, None)]
    assert kernel_log.of_journal(f"1767227400.000123 node1 kernel: {OLD}\n") == expected
    assert kernel_log.of_syslog(f"2026-01-01T01:30:00.000123+01:00 node1 kernel: [ 1800.000] {OLD}\n", CLOCK) == expected
    assert kernel_log.of_syslog(f"2026-01-01T00:30:00Z node1 kernel: {OLD}\n", CLOCK)[0].text == OLD


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    def live_in(name: str) -> None:
        monkeypatch.setitem(os.environ, "TZ", name)
        time.tzset()

    live_in("UTC")
    yield live_in
    monkeypatch.undo()
    time.tzset()


def test_a_time_without_a_year_is_in_the_past(zone: Callable[[str], None]) -> None:
    told = kernel_log.of_syslog(f"Jan  1 00:30:00 node1 kernel: [1800.0] {OLD}\nDec 31 23:00:00 node1 kernel: {OLD}\n", CLOCK)
    assert [line.at for line in told] == ["2026-01-01T00:30:00Z", "2025-12-31T23:00:00Z"]
    later_today = kernel_log.of_syslog(f"Jan  1 20:00:00 node1 kernel: {OLD}\nFeb 29 01:00:00 node1 kernel: {OLD}\n", CLOCK)
    assert [line.at for line in later_today] == ["2025-01-01T20:00:00Z", "2024-02-29T01:00:00Z"]
    zone("Pacific/Auckland")  # where a year begins thirteen hours early
    eve = kernel_log.Clock(booted=CLOCK.booted, now=CLOCK.now - 13 * 3600)
    assert [line.at for line in kernel_log.of_syslog(f"Jan  1 00:50:00 n kernel: {OLD}\n", eve)] == ["2025-12-31T11:50:00Z"]


@pytest.mark.usefixtures("zone")
def test_busybox_names_the_level_of_a_line() -> None:
    told = kernel_log.of_syslog(f"Jan  1 00:30:00 node1 kern.warn kernel: [ 1800.000001] {OLD}\n", CLOCK)
    assert [(line.at, line.text) for line in told] == [("2026-01-01T00:30:00Z", OLD)]


def test_a_log_without_any_record_was_not_seen() -> None:
    """A node that is a container may have /dev/kmsg linked elsewhere, and a journal that takes nothing from the kernel."""
    empty = PretendKernel(files=FILES, log="", tools=lambda _argv: Completed(0, "", ""))
    with pytest.raises(CannotLook, match="/dev/kmsg holds no record; journalctl --dmesg gives no line of the kernel"):
        fact.collect(empty, fact.Query())
    strange = replace(empty, files={**FILES, "/var/log/kern.log": f"@4000 {OLD}\n"})
    with pytest.raises(CannotLook, match=r"kern\.log holds no line with a time"):
        fact.collect(strange, fact.Query())
    quiet = replace(empty, log="6,1,1000,-;Linux version 6.1\n")
    assert fact.collect(quiet, fact.Query()).lines == ()


@pytest.mark.usefixtures("zone")
@pytest.mark.parametrize("before", ["kern.log.1", "kern.log-20260101"])
def test_what_was_rotated_away_is_read_too(before: str) -> None:
    logs = {
        "/var/log/kern.log": "Jan  1 00:59:00 n kernel: eth0: link up\n",
        f"/var/log/{before}": f"Jan  1 00:50:00 n kernel: {OLD}\n",
        "/var/log/kern.log-20251231": f"Dec 31 00:50:00 n kernel: {NEIGHBOUR}\n",
    }
    assert [line.at for line in fact.collect(PretendKernel(files={**FILES, **logs}), fact.Query()).lines] == [
        "2026-01-01T00:50:00Z"
    ]


def test_the_device_comes_first_then_the_journal_then_files() -> None:
    kernel = PretendKernel(files=FILES, log=f"4,1,1000000,-;{OLD}\n")
    seen = fact.collect(kernel, fact.Query())
    assert (seen.source, seen.now, seen.own_netns, len(seen.lines)) == ("/dev/kmsg", "2026-01-01T01:00:00Z", NODE.inode, 1)
    journal = PretendKernel(files=FILES, tools=lambda _argv: Completed(0, f"1767227400.1 n kernel: {OLD}\n", ""))
    assert fact.collect(journal, fact.Query()).source == "journalctl --dmesg"
    syslog = PretendKernel(files={**FILES, "/var/log/syslog": f"2026-01-01T00:30:00Z n kernel: {OLD}\n"})
    assert fact.collect(syslog, fact.Query()).source == "/var/log/syslog"
    with pytest.raises(CannotLook, match="no kernel log") as refused:
        fact.collect(PretendKernel(files=FILES), fact.Query())
    assert refused.value.kind == "missing"


def test_only_the_newest_lines_are_kept() -> None:
    kernel = PretendKernel(files=FILES, log="".join(f"4,{n},{n}000000,-;{OLD}\n" for n in range(60)))
    seen = fact.collect(kernel, fact.Query())
    assert (len(seen.lines), seen.more, seen.lines[-1].at) == (50, 10, "2026-01-01T00:00:59Z")


def test_lines_on_other_things_leave_room_for_those_on_the_nodes_own_table() -> None:
    other = NEW.replace("4026531840", "4026532999")
    told = [OLD, *[NEIGHBOUR] * 60, *[other] * 60]
    kernel = PretendKernel(files=FILES, log="".join(f"4,{n},{n}000000,-;{line}\n" for n, line in enumerate(told)))
    seen = fact.collect(kernel, fact.Query())
    assert (seen.lines[0].text, len(seen.lines), seen.more) == (OLD, 101, 20)
    assert sorted(seen.lines, key=lambda line: line.at) == list(seen.lines)


LATER = st.integers(365 * 86400, 2**32).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(LATER, OFFSETS, st.integers(0, 999_999))
def test_a_time_that_says_its_zone_is_that_time_in_every_form(when: datetime, zone: timezone, micros: int) -> None:
    there, wanted = when.replace(microsecond=micros).astimezone(zone), when.strftime("%Y-%m-%dT%H:%M:%SZ")
    told = kernel_log.of_syslog(f"{there.isoformat()} n kernel: {OLD}\n{when.isoformat()[:19]}Z n kernel: {OLD}\n", CLOCK)
    assert [line.at for line in told] == [wanted] * 2
    told = kernel_log.of_journal(
        f"{int(when.timestamp())}.{micros:06d} n kernel: {OLD}\n{int(when.timestamp())} n kernel: {OLD}\n"
    )
    assert [line.at for line in told] == [wanted] * 2


@pytest.mark.usefixtures("zone")
@given(when=LATER, ago=st.integers(0, 360 * 86400))
def test_a_time_without_a_year_is_the_last_of_that_name(when: datetime, ago: int) -> None:
    then = when - timedelta(seconds=ago)
    said = f"{then:%b} {then.day:2d} {then:%H:%M:%S} n kernel: {OLD}\n"
    clock = kernel_log.Clock(booted=0.0, now=when.timestamp())
    assert [line.at for line in kernel_log.of_syslog(said, clock)] == [f"{then:%Y-%m-%dT%H:%M:%SZ}"]


TIMES = st.one_of(
    st.from_regex(r"\d{1,25},\d{1,3},\d{1,25},-;", fullmatch=True),
    st.from_regex(r"[0-9]{1,25}(\.[0-9]{1,12})? n kernel: ", fullmatch=True),
    st.from_regex(r"(Jan|Feb|Dec|Xyz) [ 0-3][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2} n kernel: ", fullmatch=True),
    st.from_regex(
        r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:?[0-9]{2})? n kernel: "
    ),
    st.from_regex(r"\d{4}-\d\d-\d\dT\S{0,20} n kernel: ", fullmatch=True),
)
SAID = st.sampled_from([OLD, NEW, NEIGHBOUR, "link up"]) | st.from_regex(
    r"nf_conntrack: table full in netns \d{1,30}, dropping packet"
)


@given(
    st.lists(st.one_of(st.tuples(TIMES, SAID).map("".join), st.text(max_size=80)), max_size=6).map("\n".join), st.floats(0, 2e11)
)
@example(f"0001-01-10T00:00:00 n kernel: {OLD}", 0.0)
def test_any_text_is_read_without_a_crash(text: str, now: float) -> None:
    clock = kernel_log.Clock(booted=now, now=now)
    for line in (*kernel_log.of_device(text, clock), *kernel_log.of_journal(text), *kernel_log.of_syslog(text, clock)):
        assert line.what in ("conntrack-full", "neighbour-overflow")
        assert re.fullmatch(r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]Z", line.at)
        assert line.netns is None or 0 <= line.netns < 10**11
    kernel_log.clock(text, text)
