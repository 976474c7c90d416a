"""The rendered rules loaded into a real kernel and read back with the tools of Debian 12 (iptables 1.8.9, nft 1.0.6).

The read-back is held against the recordings of kube-proxy 1.36, with the normalisation that
``tests/unit/test_kubeproxy_recordings.py`` names and no other, and against the rendered text itself.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.lab import packages
from deploy.lab.kubeproxy.iptables import NFACCT_OBJECTS, render_iptables
from deploy.lab.kubeproxy.model import Family, Objects
from deploy.lab.kubeproxy.nftables import REPLACE_TABLES, render_nftables
from tests.kubeproxy_objects import (
    CLUSTER_CIDR,
    SERVICE_CIDR,
    endpoint,
    endpoint_slice,
    every_kind,
    in_order,
    iptables_order,
    nftables_order,
    node,
    recorded,
    recorded_text,
    service,
)

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it makes network namespaces"),
]

PREFIX = {Family.IPV4: "iptables", Family.IPV6: "ip6tables"}
BACKENDS = ("nft", "legacy")


class Namespace:
    """A network namespace with nothing in it, in which the unpacked tools run."""

    def __init__(self, pid: int, lock: Path) -> None:
        self._enter = ["nsenter", f"--target={pid}", "--mount", "--net", "env", f"XTABLES_LOCKFILE={lock}"]

    def run(self, *argv: str, text: str = "") -> str:
        """What the command prints; fails with what it says on standard error."""
        done = subprocess.run([*self._enter, *argv], input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{argv}: {done.stderr[:2000]}"
        return done.stdout


@pytest.fixture(scope="module")
def tools() -> packages.Tools:
    return packages.prepare(print)


@pytest.fixture
def namespace(tools: packages.Tools, tmp_path: Path) -> Iterator[Namespace]:
    with _fresh(tools, tmp_path / "xtables.lock") as fresh:
        yield fresh


@contextmanager
def _fresh(tools: packages.Tools, lock: Path) -> Iterator[Namespace]:
    stay = tools.argv(["unshare", "--net", "sh", "-c", "echo ready && exec cat"])
    with subprocess.Popen(stay, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n"
        yield Namespace(holder.pid, lock)
        holder.stdin.close()


def test_the_kernel_gives_back_the_recorded_iptables_rules(namespace: Namespace) -> None:
    recording = _tables(recorded_text("node1.iptables-save.txt"))
    objects = in_order(recorded(), iptables_order(recorded_text("node1.iptables-save.txt")))
    read = _load_iptables(namespace, "iptables-nft", render_iptables(objects, "node1", cluster_cidr="10.244.0.0/14"))
    assert read == recording


def test_the_kernel_gives_back_the_recorded_ip6tables_rules(namespace: Namespace) -> None:
    rendered = render_iptables(recorded(), "node1", cluster_cidr="10.244.0.0/14", family=Family.IPV6)
    assert _load_iptables(namespace, "ip6tables-nft", rendered) == _tables(recorded_text("node1.ip6tables-save.txt"))


def test_the_kernel_gives_back_the_recorded_legacy_rules(namespace: Namespace) -> None:
    recording = recorded_text("node3.iptables-legacy-save.txt")
    objects = in_order(recorded(), iptables_order(recording))
    rendered = render_iptables(objects, "node3", cluster_cidr="10.244.0.0/14")
    tables = _tables(recording)
    del tables["raw"]  # made by asking for it; it holds no rule
    assert _load_iptables(namespace, "iptables-legacy", rendered) == tables


def test_the_kernel_gives_back_the_recorded_nftables(namespace: Namespace) -> None:
    recording = recorded_text("node2.nft.txt")
    objects = in_order(recorded(), nftables_order(recording))
    rendered = [
        render_nftables(objects, "node2", cluster_cidr="10.244.0.0/14", service_cidr="10.96.0.0/12", family=family)
        for family in Family
    ]
    assert _load_nftables(namespace, "".join(rendered)) == recording


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("on", ["node1", "node2"])
def test_rules_of_every_kind_of_service_read_back_as_rendered(
    namespace: Namespace, on: str, backend: str, family: Family
) -> None:
    rendered = render_iptables(every_kind(), on, cluster_cidr=CLUSTER_CIDR, family=family)
    assert _load_iptables(namespace, f"{PREFIX[family]}-{backend}", rendered) == _tables(rendered)


@pytest.mark.parametrize("on", ["node1", "node2"])
def test_nftables_of_every_kind_of_service_read_back_as_rendered(namespace: Namespace, on: str) -> None:
    rendered = _nftables(every_kind(), on)
    assert _load_nftables(namespace, rendered) == rendered


def test_source_ranges_that_touch_are_joined_by_nft_as_they_are_loaded(namespace: Namespace) -> None:
    balanced = service(
        loadBalancerSourceRanges=["192.0.2.128/26", "192.0.2.0/25", "203.0.113.0/25", "203.0.113.8/32"],
        status={"loadBalancer": {"ingress": [{"ip": "198.51.100.5"}]}},
    )
    read = _load_nftables(namespace, _nftables(Objects([balanced], [], [node("node1")]), "node1"))
    assert "\t\tip saddr != { 192.0.2.0-192.0.2.191, 203.0.113.0/25 } drop\n" in read


def test_rules_can_be_loaded_over_older_ones(namespace: Namespace) -> None:
    older, newer = every_kind(), recorded()
    _load_nftables(namespace, _nftables(older, "node1"))
    assert _load_nftables(namespace, REPLACE_TABLES + _nftables(newer, "node1")) == _nftables(newer, "node1")
    _load_iptables(namespace, "iptables-nft", render_iptables(older, "node1", cluster_cidr=CLUSTER_CIDR))
    rendered = render_iptables(newer, "node1", cluster_cidr=CLUSTER_CIDR)
    namespace.run("iptables-nft-restore", text=rendered)
    assert _tables(namespace.run("iptables-nft-save")) == _tables(rendered)


@pytest.mark.parametrize("writer", ["iptables-nft", "iptables-legacy", "nftables"])
def test_a_connection_goes_where_the_rules_say(namespace: Namespace, writer: str) -> None:
    """The node's own connections: to an endpoint behind a cluster IP, and refused at once where there is none."""
    served = service("served", clusterIP="10.96.0.80")
    forsaken = service("forsaken", clusterIP="10.96.0.81")
    behind = endpoint_slice("served", [endpoint("10.244.1.5", "node1")])
    objects = Objects([served, forsaken], [behind], [node("node1", "172.31.0.1")])
    for argv in _HOME:
        namespace.run(*argv)
    if writer == "nftables":
        _load_nftables(namespace, _nftables(objects, "node1"))
    else:
        _load_iptables(namespace, writer, render_iptables(objects, "node1", cluster_cidr=CLUSTER_CIDR))
    assert json.loads(namespace.run(sys.executable, "-c", _CONNECT)) == ["10.244.1.5", "refused"]


_HOME = (
    ("ip", "link", "set", "lo", "up"),
    ("ip", "link", "add", "uplink", "type", "veth", "peer", "name", "switch"),
    ("ip", "link", "set", "switch", "up"),
    ("ip", "link", "set", "uplink", "up"),
    ("ip", "address", "add", "172.31.0.1/24", "dev", "uplink"),
    ("ip", "address", "add", "10.244.1.5/32", "dev", "lo"),
    ("ip", "route", "add", "default", "via", "172.31.0.254"),
)
_CONNECT = """
import json, socket
server = socket.create_server(("10.244.1.5", 8080))
socket.create_connection(("10.96.0.80", 80), timeout=10)
arrived = server.accept()[0].getsockname()[0]
try:
    socket.create_connection(("10.96.0.81", 80), timeout=10)
    other = "connected"
except ConnectionRefusedError:
    other = "refused"
print(json.dumps([arrived, other]))
"""


def _nftables(objects: Objects, on: str) -> str:
    return "".join(
        render_nftables(objects, on, cluster_cidr=CLUSTER_CIDR, service_cidr=SERVICE_CIDR, family=family) for family in Family
    )


def _load_iptables(namespace: Namespace, tool: str, text: str) -> dict[str, str]:
    for name in NFACCT_OBJECTS:
        namespace.run("nfacct", "add", name)
    namespace.run(f"{tool}-restore", "--noflush", text=text)
    return _tables(namespace.run(f"{tool}-save"))


def _load_nftables(namespace: Namespace, text: str) -> str:
    namespace.run("nft", "-f", "-", text=text)
    return "".join(namespace.run("nft", "list", "table", ip, "kube-proxy") for ip in ("ip", "ip6"))


def _tables(text: str) -> dict[str, str]:
    quiet = re.sub(r"^(:\S+ \S+) \[\d+:\d+\]$", r"\1 [0:0]", text, flags=re.MULTILINE)
    found = re.findall(r"^\*.*?^COMMIT\n", quiet, re.DOTALL | re.MULTILINE)
    return {table.split("\n", 1)[0][1:]: table for table in found}
