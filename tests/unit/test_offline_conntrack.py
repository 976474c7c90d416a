from __future__ import annotations

import asyncio
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from bot.cli import cli
from node_helper.codec import Malformed
from node_helper.conntrack import flow as records
from node_helper.conntrack.layout import learn
from node_helper.conntrack.text import writer
from node_helper.conntrack.wants import Which
from node_helper.facts import conntrack
from node_helper.protocol import CannotLook
from tests.conntrack_messages import Said, message, plain, sayings
from tests.rule_samples import DATA
from workers.check import Ask, Batch
from workers.offline.answers import FromFolder
from workers.offline.conntrack_lines import flow
from workers.offline.folder import Folder

PLAIN = (
    "tcp      6 431999 ESTABLISHED src=10.244.1.5 dst=10.96.0.100 sport=40312 dport=80"
    " src=10.244.1.4 dst=10.244.1.5 sport=8080 dport=40312 [ASSURED] mark=0 use=1"
)
UNREPLIED = (
    "udp      17 29 src=10.0.0.1 dst=10.96.0.10 sport=1 dport=53 [UNREPLIED] src=10.96.0.10 dst=10.0.0.1 sport=53 dport=1 use=2"
)


@given(sayings())
def test_a_line_says_what_the_message_said(said: Said) -> None:
    data = message(said)
    layout = learn(data)
    values = layout.read(data, 0)
    if layout.protocol not in (1, 6, 17, 47, 58, 132) or "helper" in said.values:
        return  # the tool calls other protocols "unknown"; a helper's name may hold anything
    told, line = records.flow(layout, values), writer(layout)(values)
    read = flow(line)
    assert (read.protocol, read.timeout, read.mark, read.zone) == (told.protocol, told.timeout, told.mark, told.zone)
    assert (read.original, read.reply) == (told.original, told.reply)
    assert not told.state or read.state == told.state or told.state.isdigit()
    assert ("SEEN_REPLY" in read.status) == ("SEEN_REPLY" in told.status)
    assert flow(f"ipv4     2 {line}") == read


def test_what_was_translated_is_seen_by_the_directions() -> None:
    assert flow(PLAIN).status == ("SEEN_REPLY", "DST_NAT", "ASSURED")
    assert flow(UNREPLIED).status == ()
    data = message(plain("10.0.0.1", "10.0.0.2"))
    layout = learn(data)
    assert replace(flow(writer(layout)(layout.read(data, 0))), status=()).original.dport == 80


def test_the_id_of_a_flow_is_not_that_of_icmp() -> None:
    assert flow(f"{PLAIN} id=2717906405") == flow(PLAIN)
    there, back = "src=10.0.0.1 dst=10.0.0.7 type=8 code=0 id=21", "src=10.0.0.7 dst=10.0.0.1 type=0 code=0 id=22"
    ping = flow(f"icmp 1 29 {there} {back} mark=0 use=1 id=2717906405")
    assert (ping.original.icmp_id, ping.reply.icmp_id) == (21, 22)


def test_a_flow_that_hardware_moves_is_offloaded_too() -> None:
    moved = flow(PLAIN.replace("431999 ESTABLISHED ", "").replace("[ASSURED]", "[HW_OFFLOAD]"))
    assert {"OFFLOAD", "HW_OFFLOAD"} <= set(moved.status)


def test_dates_of_the_kernel_are_passed_over() -> None:
    dated = PLAIN.replace("use=1", "delta-time=5 [start=Mon Jan  5 10:00:00 2026] use=1")
    assert flow(dated) == flow(PLAIN)
    with pytest.raises(Malformed):
        flow(PLAIN.replace("use=1", "Jan use=1"))


@pytest.mark.parametrize(
    "line", ["", "tcp", "tcp 6 1 nonsense", PLAIN.replace("10.96.0.100", "10.96.0.300"), PLAIN.partition(" src=10.244.1.4")[0]]
)
def test_what_is_no_line_of_the_tool_is_malformed(line: str) -> None:
    with pytest.raises(Malformed):
        flow(line)


@given(st.text(max_size=200) | st.text(alphabet="src=dt port0123456789.:[]ASUREDxudp ", max_size=200))
def test_any_line_is_a_flow_or_malformed(text: str) -> None:
    for line in (text, f"tcp 6 1 {text}", f"{PLAIN} {text}"):
        try:
            flow(line)
        except Malformed:
            continue


def ask(folder: Path, which: Which, lines: int = 100) -> conntrack.Conntrack | CannotLook:
    asks = {"": Ask("node1", conntrack.FACT, conntrack.Query(which, lines))}
    answer: conntrack.Conntrack | CannotLook = asyncio.run(FromFolder(Folder(folder)).perform(Batch(asks)))[""]
    return answer


def test_a_saved_table_is_asked_as_a_live_one(tmp_path: Path) -> None:
    text = f"{PLAIN}\n{UNREPLIED}\nconntrack v1.4.7 (conntrack-tools): 2 flow entries have been shown.\n"
    (tmp_path / "node1.conntrack.txt").write_text(text)
    every = ask(tmp_path, Which())
    assert isinstance(every, conntrack.Conntrack)
    assert (every.flows, every.translated, [t.protocol for t in every.by_state]) == (2, 1, ["tcp", "udp"])
    for which in (
        Which(ends=("10.244.1.4",)),
        Which(port=8080),
        Which(state="ESTABLISHED"),
        Which(state="DST_NAT"),
        Which(protocol="6"),
    ):
        found = ask(tmp_path, which)
        assert isinstance(found, conntrack.Conntrack)
        assert (found.lines, found.flows) == (f"{PLAIN}\n", 1)
    lost = ask(tmp_path, Which(state="UNREPLIED"))
    assert isinstance(lost, conntrack.Conntrack)
    assert [(d.address, d.port, d.unreplied) for d in lost.destinations] == [("10.96.0.10", 53, 1)]


def test_a_file_of_ipv4_alone_tells_nothing_about_ipv6(tmp_path: Path) -> None:
    saved = tmp_path / "node1.conntrack.txt"
    saved.write_text(f"{PLAIN}\n")
    meant = (Which(dst="fd00::1"), Which(ends=("fd00::4",)), Which(protocol="icmpv6"))
    for which in meant:
        cannot = ask(tmp_path, which)
        assert isinstance(cannot, CannotLook)
        assert "holds no flow of IPv6" in cannot.reason
    both = ask(tmp_path, Which(ends=("10.244.1.4", "fd00::4")))
    assert isinstance(both, conntrack.Conntrack)
    assert both.flows == 1
    saved.write_text(f"{PLAIN}\n{PLAIN.replace('10.244.1.', 'fd00::').replace('10.96.0.100', 'fd00:1::1')}\n")
    found = [ask(tmp_path, which) for which in meant]
    assert [one.flows for one in found if isinstance(one, conntrack.Conntrack)] == [0, 1, 0]


@pytest.mark.parametrize(("said", "whole"), [("2", True), ("1", True), ("3", False)])
def test_fewer_flows_than_the_tool_has_shown_are_not_all(tmp_path: Path, said: str, *, whole: bool) -> None:
    trailer = f"conntrack v1.4.7 (conntrack-tools): {said} flow entries have been shown.\n"
    (tmp_path / "node1.conntrack.txt").write_text(f"{PLAIN}\n{trailer}{UNREPLIED}\n")
    answer = ask(tmp_path, Which())
    assert isinstance(answer, conntrack.Conntrack) == whole
    if isinstance(answer, CannotLook):
        assert answer.reason == "node1.conntrack.txt: 2 flows are here, and conntrack says that it has shown 3"


@pytest.mark.parametrize("word", ["COOKIE_WAIT", "RESPOND"])
def test_a_state_of_dccp_has_its_own_name(word: str) -> None:
    assert flow(PLAIN.replace("tcp      6", "dccp     33").replace("ESTABLISHED", word)).state == "RESPOND"


def test_a_damaged_file_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "node1.conntrack.txt").write_text(f"{PLAIN}\ngarbage\n")
    refused = ask(tmp_path, Which())
    assert isinstance(refused, CannotLook)
    assert refused.reason.startswith("node1.conntrack.txt: line 2: ")
    (tmp_path / "node1.conntrack.txt").unlink()
    missing = ask(tmp_path, Which())
    assert isinstance(missing, CannotLook)


@pytest.mark.parametrize("flows", [1, 0])
def test_a_saved_table_is_in_use_by_its_flows_and_never_said_not_to_be(tmp_path: Path, flows: int) -> None:
    shutil.copy(DATA / "kube-proxy-1.36" / "nodes.json", tmp_path)
    (tmp_path / "node1.conntrack.txt").write_text(f"{PLAIN}\n" * flows)
    done = CliRunner().invoke(cli, ["check", "conntrack", "node1", "--from", str(tmp_path), "--output", "json"])
    facts = json.loads(done.stdout)["facts"]
    assert (facts["in_use"], facts["flows"]) == (True if flows else None, flows)
