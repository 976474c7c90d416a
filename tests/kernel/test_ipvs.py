"""IPVS on a real kernel that has it: what we say is what ipvsadm says, and asking loads nothing."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from deploy.lab.guest import uml
from node_helper import codec
from node_helper.facts import ipvs, ipvs_connections, sysctls
from node_helper.ipvs import Table, Traffic, VirtualServer, endpoint
from tests.throwaway import LinuxWhere, namespace
from workers.ipvs import listing
from workers.ipvs.saved import parse

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def guest() -> dict[str, Any]:
    """One kernel for all of this: it starts without IPVS, gets it, is filled and used, and tells what was seen at each step."""
    ended = uml.prepare(print).python("import runpy; runpy.run_path('tests/kernel/ipvs_guest.py', run_name='__main__')")
    assert ended.status == 0, ended.err
    said: dict[str, Any] = json.loads(ended.out)
    return said


def table(step: dict[str, Any], what: str = "table") -> Table:
    seen = codec.decode(ipvs.Ipvs, step["seen"][what]).table
    assert seen is not None
    return seen


def connections(step: dict[str, Any], what: str = "connections") -> ipvs_connections.IpvsConnections:
    return codec.decode(ipvs_connections.IpvsConnections, step["seen"][what])


def test_a_kernel_without_ipvs_is_told_so_and_stays_without_it(guest: dict[str, Any]) -> None:
    assert guest["untouched"]
    seen = codec.decode(ipvs.Ipvs, guest["absent"]["table"])
    assert seen.table is None
    assert seen.evidence == ("generic netlink has no family IPVS", "/proc/net/ip_vs does not exist")
    assert codec.decode(ipvs_connections.IpvsConnections, guest["absent"]["connections"]).total is None


@pytest.mark.parametrize("step", ["empty", "full", "used"])
def test_servers_read_as_ipvsadm_prints_them(guest: dict[str, Any], step: str) -> None:
    assert listing.servers(table(guest[step])) == guest[step]["tools"]["-Ln"]
    assert codec.decode(ipvs.Ipvs, guest[step]["seen"]["table"]).listing == guest[step]["tools"]["-Ln"]


@pytest.mark.parametrize("step", ["empty", "full", "used"])
def test_connections_read_as_ipvsadm_prints_them(guest: dict[str, Any], step: str) -> None:
    ours = listing.connections(connections(guest[step]).entries)
    assert _without_times(ours) == _without_times(guest[step]["tools"]["-Lnc"])
    assert connections(guest[step]).total == len(ours.splitlines()) - 2


def test_the_connections_have_every_kind(guest: dict[str, Any]) -> None:
    """What the comparison above is about. Of a mark's server the template alone tells the mark (71)."""
    seen = {(c.protocol, c.virtual, c.virtual_port, c.destination_port) for c in connections(guest["used"]).entries}
    assert seen == {
        ("TCP", "10.96.0.1", 80, 8080), ("TCP", "10.96.0.2", 443, 8080), ("TCP", "fd00::1", 80, 8080),
        ("UDP", "10.96.0.10", 53, 5353), ("SCTP", "10.96.0.12", 3868, 3868),
        ("TCP", "10.96.0.70", 8080, 8080), ("TCP", "10.96.0.71", 8080, 8080), ("IP", "0.0.0.71", 0, 0),
    }  # fmt: skip


@pytest.mark.parametrize("step", ["empty", "full", "used"])
def test_sysctls_are_those_that_the_tool_prints(guest: dict[str, Any], step: str) -> None:
    """All of net.ipv4.vs that IPVS's fact tells, and all that the fact of sysctls does, no key left out."""
    told = dict(line.split(" = ", 1) for line in guest[step]["tools"]["sysctls"].splitlines())
    values = {key.replace(".", "/"): " ".join(value.split()) for key, value in told.items()}
    settings = codec.decode(ipvs.Ipvs, guest[step]["seen"]["table"]).settings
    assert settings == {name: values[f"net/ipv4/vs/{name}"] for name in ipvs.SETTINGS}
    assert settings["expire_quiescent_template"] == ("0" if step == "empty" else "1")
    ours = codec.decode(sysctls.Sysctls, guest[step]["seen"]["sysctls"]).values
    assert ours == {key: value for key, value in values.items() if any(fnmatch(key, each) for each in sysctls.WANTED)}


@pytest.mark.parametrize("step", ["full", "used"])
def test_numbers_are_those_of_ipvsadm(guest: dict[str, Any], step: str) -> None:
    tools, seen = guest[step]["tools"], table(guest[step])
    reals = [r for v in seen.virtual_servers for r in v.real_servers]
    assert sorted(_rows(tools["--stats"])) == sorted(
        [
            *((_title(v), *_numbers(v.traffic)) for v in seen.virtual_servers),
            *((endpoint(r.address, r.port), *_numbers(r.traffic)) for r in reals),
        ]
    )
    limits = sorted((endpoint(r.address, r.port), r.upper, r.lower, r.active, r.inactive) for r in reals)
    assert sorted(row for row in _rows(tools["--thresholds"]) if len(row) > 1) == limits
    persistent = sorted((endpoint(r.address, r.port), r.weight, r.persistent, r.active, r.inactive) for r in reals)
    assert sorted(row for row in _rows(tools["--persistent-conn"]) if len(row) > 1) == persistent
    times = seen.timeouts
    assert tools["--timeout"] == f"Timeout (tcp tcpfin udp): {times.tcp} {times.tcp_fin} {times.udp}\n"


@pytest.mark.parametrize("step", ["empty", "full", "used"])
def test_saved_text_is_read_as_the_kernel_tells_it(guest: dict[str, Any], step: str) -> None:
    live = {str(server): server for server in table(guest[step]).virtual_servers}
    for text in (guest[step]["tools"]["save"], guest[step]["tools"]["-Ln"]):
        saved = {str(server): server for server in parse(text)}
        assert {name: _said(server) for name, server in saved.items()} == {name: _said(server) for name, server in live.items()}


def test_the_device_of_kube_proxy_is_seen(guest: dict[str, Any]) -> None:
    steps = ("absent", "empty", "full")
    seen = [codec.decode(ipvs.Ipvs, guest[step].get("seen", guest[step])["table"]).device for step in steps]
    assert seen == [False, False, True]


def test_tunnels_are_told_apart(guest: dict[str, Any]) -> None:
    reals = [r for v in table(guest["full"]).virtual_servers for r in v.real_servers]
    assert {r.address: r.tunnel for r in reals if r.forward == "Tunnel"} == {
        "10.1.1.9": "ipip",
        "10.1.1.10": "gue",
        "10.1.1.11": "gre",
    }


def test_one_service_is_answered_without_the_others(guest: dict[str, Any]) -> None:
    whole = {str(v): v for v in table(guest["used"]).virtual_servers}
    asked = table(guest["used"], "some").virtual_servers
    assert {str(v): v for v in asked} == {name: whole[name] for name in ("TCP 10.96.0.1:80", "TCP [fd00::1]:80")}
    through = {(d.towards.virtual, d.towards.virtual_port) for d in connections(guest["used"], "some connections").destinations}
    assert through == {("10.96.0.1", 80), ("fd00::1", 80)}


def test_connections_to_a_server_that_is_gone_are_named(guest: dict[str, Any]) -> None:
    gone = [d.towards for d in connections(guest["used"]).destinations if d.weight is None]
    assert [(t.virtual, t.destination, t.destination_port, t.state, t.connections) for t in gone] == [
        ("10.96.0.1", "10.1.1.2", 8080, "ESTABLISHED", 2)
    ]
    assert codec.decode(ipvs.Ipvs, guest["used"]["seen"]["table"]).settings["expire_nodest_conn"] == "0"


def test_this_machine_is_looked_at_without_a_trace() -> None:
    watched = [Path("/proc/modules"), Path("/proc/net/ip_vs")]
    before = [path.read_text() if path.exists() else None for path in watched]
    with namespace() as node:
        seen = ipvs.collect(LinuxWhere(node), ipvs.Query(listing=True))
    assert [path.read_text() if path.exists() else None for path in watched] == before
    assert (seen.table is None) == (before[-1] is None)


def _said(server: VirtualServer) -> tuple[Any, ...]:
    """All that both kinds of saved text tell."""
    reals = sorted((r.address, r.port, r.forward, r.weight) for r in server.real_servers)
    return replace(server, real_servers=(), traffic=None), reals


def _without_times(text: str) -> list[str]:
    return sorted(re.sub(r"\d\d:\d\d ", "", text).splitlines())


def _rows(text: str) -> list[tuple[Any, ...]]:
    """Name and numbers of each line below the titles."""
    found: list[tuple[Any, ...]] = []
    for line in text.splitlines()[3:]:
        name = re.match(r"  -> (\S+)|(FWM  \d+(?: IPv6)?|\S+ +\S+)", line)
        assert name is not None, line
        numbers = re.findall(r"(?<= )\d+", line[name.end() :]) if re.fullmatch(r"[ \d]*", line[name.end() :]) else []
        found.append((" ".join((name[1] or name[2]).split()), *map(int, numbers)))
    return found


def _title(server: Any) -> str:
    return str(server)


def _numbers(traffic: Traffic | None) -> tuple[int, ...]:
    assert traffic is not None
    return traffic.connections, traffic.in_packets, traffic.out_packets, traffic.in_bytes, traffic.out_bytes
