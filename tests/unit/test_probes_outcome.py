"""An attempt that cannot even begin is told in the same words as one that failed on its way."""

from __future__ import annotations

import pytest

from node_helper.linux.probes import dns
from node_helper.linux.probes.waiting import Attempt
from node_helper.records import Datagram
from node_helper.stop import Stop


@pytest.mark.parametrize("scope", ["nosuch0", "\N{SUPERSCRIPT TWO}", "99999999999", "a\0b"])
def test_a_link_local_nameserver_whose_device_is_not_there_is_unreachable(scope: str) -> None:
    asked = Datagram(f"fe80::53%{scope}", 53, "udp", b"", 0.1)
    assert dns.exchange(asked, Attempt(0.1, Stop(1.0))).outcome == "unreachable"
