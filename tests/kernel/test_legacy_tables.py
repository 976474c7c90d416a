"""Tables of legacy iptables, which the kernel hands out whole: read once, anew when they change, and by forks too."""

from __future__ import annotations

import os
import signal
import socket
import time

import pytest

from node_helper.facts import chain_names, chain_rules, service_rules
from node_helper.linux import iptables_legacy
from node_helper.netfilter.records import Destination
from tests.rule_samples import small
from tests.rules_loaded import Loaded

pytestmark = pytest.mark.live


def test_a_legacy_table_is_read_once_until_it_changes(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    """A question about a service reads nat and filter, and so does the next one."""
    loaded.load("iptables-legacy", small("kube-proxy-1.36/node3.iptables-legacy-save.txt")[2])
    read, really = list[str](), iptables_legacy._entries

    def entries(asking: socket.socket, level: int, table: str, size: int) -> bytearray | None:
        read.append(table)
        return really(asking, level, table, size)

    monkeypatch.setattr(iptables_legacy, "_entries", entries)
    iptables_legacy.forget()
    query = service_rules.Query("iptables-legacy", "ip", (Destination("10.96.0.10", 53, "udp"),))
    assert service_rules.collect(loaded.kernel, query) == service_rules.collect(loaded.kernel, query)
    assert read == ["nat", "filter"]
    loaded.run("iptables-legacy", "-t", "nat", "-I", "KUBE-SERVICES", "-d", "10.96.0.10", "-p", "udp", "-j", "RETURN")
    rules = [r.spec for t in service_rules.collect(loaded.kernel, query).tables for c in t.chains for r in c.rules]
    assert "-d 10.96.0.10/32 -p udp -j RETURN" in rules
    assert read == ["nat", "filter", "nat"]


def test_a_table_that_changed_is_read_anew_from_legacy(loaded: Loaded) -> None:
    loaded.load("iptables-legacy", small("kube-proxy-1.36/node3.iptables-legacy-save.txt")[2])
    query = chain_rules.Query("iptables-legacy", "ip", "nat", "KUBE-MARK-MASQ")
    before = chain_rules.collect(loaded.kernel, query).tables[0].chains[0]
    loaded.run("iptables-legacy", "-t", "nat", "-A", "KUBE-MARK-MASQ", "-j", "RETURN")
    after = chain_rules.collect(loaded.kernel, query).tables[0].chains[0]
    assert [r.spec for r in after.rules] == [*(r.spec for r in before.rules), "-j RETURN"]


def test_a_question_that_is_forked_while_a_table_is_read_reads_it_as_well(loaded: Loaded) -> None:
    """Heavy questions are; the reading thread is not in their process, and gives nothing back there."""
    loaded.load("iptables-legacy", small("kube-proxy-1.36/node3.iptables-legacy-save.txt")[2])
    with iptables_legacy._reading, iptables_legacy._lock:
        child = os.fork()
        if child == 0:
            try:
                found = chain_names.collect(loaded.kernel, chain_names.Query("iptables-legacy", "ip", "nat"))
                os._exit(0 if "KUBE-SERVICES" in found.names else 1)
            finally:
                os._exit(2)
        status = _ended(child, 20)
    assert status == 0


def _ended(child: int, seconds: float) -> int | None:
    """Its exit status; None where it had to be killed."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None
