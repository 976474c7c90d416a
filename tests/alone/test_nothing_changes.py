"""No command leaves anything changed on a node: every example of the catalogue is asked, and the nodes compared before and after.

A new check is asked by its examples without being named here; what they call things is in `NAMES`. A node with iptables-legacy,
one with IPVS and a kernel of its own, and a helper that is pushed are asked what differs there.
"""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bot.commands import parse
from deploy.lab import controlplane
from deploy.lab.guest.join import NAME, joined
from deploy.lab.guest.node import GuestNode
from deploy.lab.kubeproxy.iptables import render_iptables
from deploy.lab.kubeproxy.model import Family
from deploy.lab.lab import Lab
from deploy.lab.node import Node
from deploy.lab.plan import POD_CIDRS
from tests.live.ssh_ways import opened
from workers.checks import catalogue
from workers.model import Report
from workers.settings import Settings, load
from workers.terminal import look

pytestmark = pytest.mark.live
PATIENCE = 10.0  # seconds for sshd's processes to end
STATE = (Path(__file__).parent.parent / "node_state.py").read_text()
# What examples name, as the lab has it.
NAMES = {
    r"\bshop/cart\b": "client-two",
    r"^(rules|iptables|nftables|ipvs) client-two": r"\1 kube-system/kube-dns",
    r"app=web in shop": "app=client in default",
    r"\bin shop\b": "in kube-system",
    r"\bdb\b": "hello-world",
    r"\b10\.244\.2\.3\b": "client-two",
    r"\b10\.0\.0\.11\b": "10.199.0.11",
    r"\bfor 30s\b": "for 1s",
}
MORE = (
    "pod client raw=addr", "pod client-two raw=sockets", "pod client raw=neigh", "conntrack node-two", "ipvs node-two",
    "rules node-two", "nftables hello-world", "node node-two", "pod client-two", "dns hello-world from client-two",
)  # fmt: skip
"""The other node, and what no example says."""
RULES = (
    "rules hello-world",
    "iptables hello-world",
    "iptables node-one",
    "rules node-one table=nat chain=KUBE-SERVICES",
    "node node-one",
)
PUSHED = ("nodes", "dns hello-world from client", "pod client-two", "conntrack node-one for 1s")


def _commands() -> list[str]:
    examples = [example for check in catalogue().values() for example in check.examples]
    for written, here in NAMES.items():
        examples = [re.sub(written, here, example) for example in examples]
    return [*examples, *MORE]


def _of_the_guest() -> list[str]:
    """For each check that can be asked of a node its first such example, and what asks every node."""
    named = [re.sub(r"\bnode-(one|two)\b", NAME, command) for command in _commands() if re.search(r" node-(one|two)\b", command)]
    return [*{command.split()[0]: command for command in reversed(named)}.values(), "rules hello-world", "nodes"]


class Watch:
    """Some nodes; what was last seen of them is what the next command begins with."""

    def __init__(self, nodes: Mapping[str, Node]) -> None:
        self._nodes = nodes
        self.before = self.look()

    def since(self) -> dict[str, Any]:
        """What differs from before, once the processes that asked had time to end."""
        deadline = time.monotonic() + PATIENCE
        while (after := self.look()) != self.before and time.monotonic() < deadline:
            time.sleep(0.2)
        differs = {
            what: _differences(self.before.get(what, []), after.get(what, []))
            for what in self.before | after
            if self.before.get(what) != after.get(what)
        }
        self.before = after
        return differs

    def look(self) -> dict[str, list[str]]:
        with ThreadPoolExecutor() as threads:
            seen = dict(zip(self._nodes, threads.map(_state, self._nodes.values()), strict=True))
        return {f"{what} of {name}": said for name, told in seen.items() for what, said in told.items()}


def _state(node: Node) -> dict[str, list[str]]:
    told: dict[str, list[str]] = json.loads(node.run(["python3", "-IS", "-"], stdin=STATE).stdout)
    return told


def _differences(before: list[str], after: list[str]) -> dict[str, list[str]]:
    return {
        "gone": sorted((Counter(before) - Counter(after)).elements())[:10],
        "new": sorted((Counter(after) - Counter(before)).elements())[:10],
    }


def asked(command: str) -> Report:
    """What the settings in the environment lead to."""
    words = parse(command, catalogue())
    report, _ = asyncio.run(look(load(Settings), words.entry, words.params, words.namespace, lambda _: None))
    return report


@pytest.fixture(autouse=True)
def settings(lab_with_docker: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in lab_with_docker.settings().items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def watch(lab_with_docker: Lab) -> Watch:
    return Watch(lab_with_docker.nodes)


@pytest.mark.parametrize("command", _commands())
def test_a_command_leaves_the_nodes_as_they_were(watch: Watch, command: str) -> None:
    assert asked(command).verdict.name != "UNKNOWN"
    assert watch.since() == {}


@pytest.fixture
def legacy(lab_with_docker: Lab) -> Iterator[Watch]:
    """The first node with its rules in iptables-legacy, until the end."""
    node, wanted = lab_with_docker.nodes["node-one"], controlplane.for_proxy(lab_with_docker.store)
    families = {"iptables": Family.IPV4, "ip6tables": Family.IPV6}
    saved = {tool: node.run([f"{tool}-nft-save"]).stdout for tool in families}
    node.run(["nft", "flush", "ruleset"])
    for tool, family in families.items():
        rules = render_iptables(wanted, node.name, cluster_cidr=POD_CIDRS, family=family)
        node.run([f"{tool}-legacy-restore"], stdin=rules)
    yield Watch(lab_with_docker.nodes)
    for tool, rules in saved.items():
        for table in node.run(["cat", f"/proc/1/net/{tool.removesuffix('tables')}_tables_names"]).stdout.split():
            for empty in ("-F", "-X"):
                node.run([f"{tool}-legacy", "-t", table, empty])
        node.run([f"{tool}-nft-restore"], stdin=rules)


def test_commands_leave_a_node_with_iptables_legacy_as_it_was(legacy: Watch) -> None:
    assert any("legacy rules" in what and "*nat" in rules for what, rules in legacy.before.items())
    verdicts = {command: asked(command).verdict.name for command in RULES}
    assert "UNKNOWN" not in verdicts.values(), verdicts
    assert legacy.since() == {}


@pytest.fixture
def pushing(lab_with_docker: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    """Nodes on which the worker's key may do anything."""
    with opened(lab_with_docker, tmp_path) as ways:
        ports = {node: ways.listen(node, 2205, ways.public) for node in lab_with_docker.nodes}
        config = ways.config({node: ways.options(node, Port=port) for node, port in ports.items()})
        monkeypatch.setenv("NETCHECK_SSH_CONFIG", str(config))
        monkeypatch.setenv("NETCHECK_HELPER", "push")
        yield Watch(lab_with_docker.nodes)


def test_a_pushed_helper_leaves_the_nodes_as_they_were(pushing: Watch) -> None:
    verdicts = {command: asked(command).verdict.name for command in PUSHED}
    assert "UNKNOWN" not in verdicts.values(), verdicts
    assert pushing.since() == {}


@pytest.fixture(scope="module")
def guest(lab_with_docker: Lab) -> Iterator[GuestNode]:
    """With a place for traffic filters, and what one of them needs."""
    with joined(lab_with_docker) as own:
        own.run(["sh", "-c", "tc qdisc add dev eth0 clsact && modprobe cls_matchall"])
        yield own


@pytest.fixture(scope="module")
def watched_guest(guest: GuestNode) -> Watch:
    return Watch({NAME: guest})


def test_commands_leave_a_node_with_ipvs_and_its_own_kernel_as_it_was(watched_guest: Watch) -> None:
    assert "ip_vs" in watched_guest.before[f"modules of {NAME}"]
    verdicts = {command: asked(command).verdict.name for command in _of_the_guest()}
    assert "UNKNOWN" not in verdicts.values(), verdicts
    assert watched_guest.since() == {}


_LISTEN = "import socket, time; s = socket.socket(socket.AF_UNIX); s.bind('/run/left'); print(flush=True); time.sleep(99)"
_MAP = """
import ctypes, time
form = (ctypes.c_uint32 * 18)(2, 4, 4, 1)  # BPF_MAP_TYPE_ARRAY, its sizes of key and value, its entries
print(ctypes.CDLL(None).syscall(321, 0, form, 72), flush=True)
time.sleep(99)
"""

_IPSET = """
import socket, struct, sys
def attribute(kind, value):
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\\0" * (-len(value) % 4)
asked = struct.pack("=BBH", 2, 0, 0) + attribute(1, b"\\6") + attribute(2, b"left\\0")
command = {"destroy": 3, "create": 2}[sys.argv[1]]
if sys.argv[1] == "create":
    asked += attribute(3, b"hash:ip\\0") + attribute(4, b"\\0") + attribute(5, b"\\2") + attribute(0x8007, b"")
with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as kernel:
    kernel.send(struct.pack("=IHHII", 16 + len(asked), 6 << 8 | command, 5, 1, 0) + asked)
    sys.exit(struct.unpack_from("=i", kernel.recv(4096), 16)[0])
"""


def _kept(*argv: str) -> str:
    """A shell command that starts a process which stays, and waits for its first line."""
    return f"{shlex.join(argv)} </dev/null >/run/said 2>&1 & echo $! >/run/pid; until [ -s /run/said ]; do sleep 0.1; done"


_END = "kill $(cat /run/pid); rm -f /run/left"


@pytest.mark.parametrize(
    ("what", "do", "undo"),
    [
        ("files", "touch /etc/left", "rm /etc/left"),
        ("files", "touch /dev/shm/left", "rm /dev/shm/left"),
        ("files", "touch /usr/lib/left", "rm /usr/lib/left"),
        ("devices, addresses, routes", "ip link add left0 type veth peer left1", "ip link del left0"),
        ("nft tables", "nft add table ip left", "nft delete table ip left"),
        ("iptables-nft rules", "iptables-nft -A OUTPUT -j RETURN", "iptables-nft -D OUTPUT -j RETURN"),
        ("sysctls in", "sysctl -qw net.ipv4.ip_default_ttl=63", "sysctl -qw net.ipv4.ip_default_ttl=64"),
        ("mounts", "ip netns add left", "ip netns del left"),
        ("namespaces", "ip netns add left", "ip netns del left"),
        ("namespaces", _kept("unshare", "--net", "sh", "-c", "echo; exec sleep 99"), _END),
        ("processes", _kept("sh", "-c", "echo; exec sleep 99"), _END),
        ("unix sockets", _kept("python3", "-c", _LISTEN), _END),
        ("traffic control", "tc qdisc add dev lo root pfifo", "tc qdisc del dev lo root"),
        ("ipsets", shlex.join(["python3", "-c", _IPSET, "create"]), shlex.join(["python3", "-c", _IPSET, "destroy"])),
    ],
)
def test_a_change_would_be_seen(lab_with_docker: Lab, watch: Watch, what: str, do: str, undo: str) -> None:
    assert_seen(lab_with_docker.nodes["node-one"], watch, {what: (do, undo)})


def test_a_change_of_a_kernel_would_be_seen(guest: GuestNode, watched_guest: Watch) -> None:
    changes = {
        "modules": ("modprobe ifb numifbs=0", "rmmod ifb"),
        "sysctls of": ("sysctl -qw kernel.panic=9", "sysctl -qw kernel.panic=0"),
        "legacy rules": ("iptables-legacy -t nat -A OUTPUT -j RETURN", "iptables-legacy -t nat -D OUTPUT -j RETURN"),
        "traffic control": ("tc filter add dev eth0 ingress matchall classid 1:1", "tc filter del dev eth0 ingress"),
        "ipvs": ("ipvsadm -A -t 10.96.0.9:9 -s rr", "ipvsadm -D -t 10.96.0.9:9"),
        "bpf": (_kept("python3", "-c", _MAP), _END),
    }
    assert_seen(guest, watched_guest, changes)


def assert_seen(node: Node, watch: Watch, changes: Mapping[str, tuple[str, str]]) -> None:
    """Each change is seen by its name, and nothing once they are undone."""
    for do, _ in changes.values():
        node.run(["sh", "-c", do])
    seen = watch.look()
    for _, undo in changes.values():
        node.run(["sh", "-c", undo])
    differs = [key for key in seen if seen[key] != watch.before.get(key)]
    assert [what for what in changes if not any(key.startswith(what) for key in differs)] == []
