"""What the `node` report says of a device's counters."""

from __future__ import annotations

from dataclasses import replace

import pytest

from node_helper.facts.devices import Device
from node_helper.records import Counters, Link
from workers.checks import _node_show

COUNTERS = Counters(1, 1, 0, 900, 1, 1, 0, 5)
LINK = Link(7, "veth1", "veth", 1500, "up", (), "", None, None, None, COUNTERS)


@pytest.mark.parametrize(("received", "sent", "risen"), [(907, 5, (7, 0)), (0, 6, (0, 1))])
def test_a_device_that_counts_anew_has_dropped_nothing_meanwhile(received: int, sent: int, risen: tuple[int, int]) -> None:
    before = Device(LINK, ())
    now = Device(replace(LINK, counters=replace(COUNTERS, rx_dropped=received, tx_dropped=sent)), ())
    assert _node_show._device(now, before)["dropped_risen"] == {"rx": risen[0], "tx": risen[1]}
    assert _node_show._row(now, before)[-1] == f"+{risen[0]}/+{risen[1]}"
