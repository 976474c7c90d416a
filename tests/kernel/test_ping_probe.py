"""On the real kernel: every way in which a ping can end is told apart, with who said so."""

from __future__ import annotations

import threading

import pytest

from node_helper.facts import ping
from node_helper.kernel import Netns
from node_helper.linux import Linux
from tests.kernel.pod_and_node import DROPPED, FAR, FAR6, NOBODY, NOBODY6
from tests.throwaway import LinuxWhere

pytestmark = pytest.mark.live


def test_ping_tells_which_router_said_it(fresh: tuple[Netns, Netns]) -> None:
    with LinuxWhere(fresh[1]) as kernel:
        (row,) = ping.rows(kernel, ping.Query(fresh[0], "10.64.0.1", count=1, seconds=9.0))
    assert (row.outcome, row.sender) == ("unreachable", FAR)


@pytest.mark.parametrize("far", [FAR, FAR6, "127.0.0.1", "::1"])
def test_ping_answers_with_the_sender_and_its_sequence(kernel: Linux, pair: tuple[Netns, Netns], far: str) -> None:
    rows = list(ping.rows(kernel, ping.Query(pair[0], far, count=3, interval=0.01)))
    assert [(row.sequence, row.outcome, row.sender) for row in rows] == [(n, "answered", far) for n in (1, 2, 3)]


@pytest.mark.parametrize(
    ("far", "outcome", "sender"),
    [
        (NOBODY, "unreachable", "10.9.0.2"),  # the pod's own address: ARP failed here
        (NOBODY6, "unreachable", "fd00:9::2"),
        ("10.61.0.1", "unreachable", ""),
        ("192.0.2.1", "unreachable", ""),
        (DROPPED, "timeout", ""),
    ],
)
def test_ping_tells_who_said_that_it_cannot_be_reached(
    kernel: Linux, pair: tuple[Netns, Netns], far: str, outcome: str, sender: str
) -> None:
    seconds = 0.3 if outcome == "timeout" else 5.0
    (row,) = ping.rows(kernel, ping.Query(pair[0], far, count=1, seconds=seconds))
    assert (row.outcome, row.sender) == (outcome, sender)


def test_two_pings_at_once_do_not_take_each_others_replies(kernel: Linux, pair: tuple[Netns, Netns]) -> None:
    outcomes: list[str] = []

    def many(far: str) -> None:
        outcomes.extend(kernel.echo(pair[0], far, 1, 2.0).outcome for _ in range(20))

    threads = [threading.Thread(target=many, args=(far,)) for far in (FAR, FAR, "127.0.0.1", FAR6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == ["answered"] * 80
