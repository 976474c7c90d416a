"""No command leaves anything changed on a node: every example of the catalogue is asked, and the nodes compared before and after.

A new check is asked by its examples without being named here; what they call things is in `NAMES`.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from bot.commands import parse
from deploy.lab.lab import Lab
from workers.checks import catalogue
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


def _commands() -> list[str]:
    examples = [example for check in catalogue().values() for example in check.examples]
    for written, here in NAMES.items():
        examples = [re.sub(written, here, example) for example in examples]
    return [*examples, *MORE]


class Watch:
    """The nodes of a lab; what was last seen of them is what the next command begins with."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.before = self.look()

    def since(self) -> dict[str, Any]:
        """What differs from before, once the processes that asked had time to end."""
        deadline = time.monotonic() + PATIENCE
        while (after := self.look()) != self.before and time.monotonic() < deadline:
            time.sleep(0.2)
        differs = {what: _differences(self.before[what], seen) for what, seen in after.items() if seen != self.before.get(what)}
        self.before = after
        return differs

    def look(self) -> dict[str, list[str]]:
        seen = {name: json.loads(node.run(["python3", "-"], stdin=STATE).stdout) for name, node in self._lab.nodes.items()}
        return {f"{what} of {name}": said for name, told in seen.items() for what, said in told.items()}


def _differences(before: list[str], after: list[str]) -> dict[str, list[str]]:
    return {"gone": sorted(set(before) - set(after))[:10], "new": sorted(set(after) - set(before))[:10]}


@pytest.fixture(scope="module")
def watch(lab_with_docker: Lab) -> Watch:
    return Watch(lab_with_docker)


@pytest.mark.parametrize("command", _commands())
def test_a_command_leaves_the_nodes_as_they_were(
    lab_with_docker: Lab, watch: Watch, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    for name, value in lab_with_docker.settings().items():
        monkeypatch.setenv(name, value)
    asked = parse(command, catalogue())
    report, _ = asyncio.run(look(load(Settings), asked.entry, asked.params, asked.namespace, lambda _: None))
    assert report.verdict.name != "UNKNOWN"
    assert watch.since() == {}


@pytest.mark.parametrize(
    ("what", "do", "undo"),
    [
        ("files", "touch /etc/left", "rm /etc/left"),
        ("devices, addresses, routes", "ip link add left0 type veth peer left1", "ip link del left0"),
        ("nft tables", "nft add table ip left", "nft delete table ip left"),
        ("iptables-nft rules", "iptables-nft -A OUTPUT -j RETURN", "iptables-nft -D OUTPUT -j RETURN"),
        ("sysctls", "sysctl -qw net.ipv4.ip_default_ttl=63", "sysctl -qw net.ipv4.ip_default_ttl=64"),
        ("mounts", "ip netns add left", "ip netns del left"),
    ],
)
def test_a_change_would_be_seen(lab_with_docker: Lab, watch: Watch, what: str, do: str, undo: str) -> None:
    node = lab_with_docker.nodes["node-one"]
    node.run(do.split())
    changed = watch.look()
    node.run(undo.split())
    assert any(f"{what} " in key for key, seen in changed.items() if seen != watch.before[key])
