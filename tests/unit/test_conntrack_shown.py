"""What the `conntrack` check tells of its own limits: counts that are too low, flows that are not the pod's alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from node_helper.conntrack.wants import Which
from node_helper.facts.conntrack_events import Happened, Moment
from node_helper.facts.conntrack_stats import ConntrackStats
from node_helper.facts.kernel_log import KernelLog
from node_helper.facts.sysctl_files import Assignment, SysctlFiles
from node_helper.kernel_log import LogLine
from tests.cases.test_cases import view_of
from tests.cases.world import world
from workers.check import Samples
from workers.checks._conntrack_seen import Seen, Watched, Where, find
from workers.checks._conntrack_show import show
from workers.params import Target

VIEW = view_of(world({}))


def notes(events: int, watched: Watched) -> tuple[str, ...]:
    stats = ConntrackStats(in_use=True, evidence="", count=3, maximum=9, events=events)
    return show(None, VIEW, Seen(Where("node1"), Which(), Samples(stats, stats, 0.5), watched=watched)).notes


def test_a_kernel_that_notes_flows_only_while_somebody_listens_does_not_tell_every_end() -> None:
    """Seen on Linux 6.18: of five entries made before and one made while listening, all deleted, it tells one end."""
    assert any("more may have ended than is said" in note for note in notes(2, Watched(new=1)))
    assert notes(1, Watched(new=1, lines="x\n")) == ()


def test_events_that_are_in_no_destinations_count_are_told() -> None:
    some = Moment(
        60, 0, 0, lost=False, happened=tuple(Happened("new", "tcp", f"10.0.0.{n}", 80, 1) for n in range(50)), rare=10, lines=""
    )
    watched = Watched().and_then(some).and_then(some)
    assert (watched.events, watched.rare, sum(n for n, _ in watched.happened.values())) == (120, 20, 100)
    assert any(note.startswith("20 of 120 events were towards destinations") for note in notes(1, watched))


@pytest.mark.parametrize(("shared", "said"), [(True, "these are all flows of node1's addresses"), (False, "")])
def test_flows_of_a_pod_on_the_nodes_network_are_those_of_the_node(*, shared: bool, said: str) -> None:
    pods = VIEW.cluster.pods
    client = replace(pods["default", "client"], host_network=shared)
    view = replace(VIEW, cluster=replace(VIEW.cluster, pods={**pods, client.key: client}))
    assert said in find(view, Target("pod", "client")).note
    assert bool(find(view, Target("pod", "client")).note) == shared


@pytest.mark.parametrize(("netns", "own"), [(None, True), (7, True), (8, False)])
def test_a_line_of_the_log_on_another_namespace_is_called_that(netns: int | None, *, own: bool) -> None:
    stats = ConntrackStats(in_use=True, evidence="", count=3, maximum=9)
    log = KernelLog(
        "/dev/kmsg", (LogLine("2025-01-01T00:00:00Z", "conntrack-full", "full", netns),), 0, "2026-01-01T00:00:00Z", 7
    )
    (note,) = show(None, VIEW, Seen(Where("node1"), Which(), Samples(stats, stats, 0.5), log=log)).notes
    assert ("not the node's own" in note) != own


@pytest.mark.parametrize(("late", "said"), [("", ""), ("nf_conntrack", "at start only if nf_conntrack is loaded before")])
def test_a_file_that_may_be_applied_too_early_is_no_sure_persistence(late: str, said: str) -> None:
    stats = ConntrackStats(in_use=True, evidence="", count=3, maximum=9)
    line = Assignment("/etc/sysctl.d/50-a.conf", 2, "net.netfilter.nf_conntrack_max", "9")
    files = SysctlFiles("net/netfilter/nf_conntrack_max", (line,), line, (), late)
    shown = show(None, VIEW, Seen(Where("node1"), Which(), Samples(stats, stats, 0.5), files=files))
    persisted = next(row[1] for row in shown.tables[0].rows if row[0] == "maximum persisted in")
    assert persisted.startswith("/etc/sysctl.d/50-a.conf:2 (9)")
    assert (said in persisted, "only if" in persisted) == (True, bool(late))
