"""The pods' network by CNI: what its configuration says, and calling the plugins as a runtime does (containernetworking.dev)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deploy.lab.node import Node
from deploy.lab.plan import NodePlan

_VERSION, _NAME = "0.4.0", "lab"
_FOLDER = "/opt/cni/bin"


@dataclass(frozen=True)
class Attached:
    """What the plugins gave a pod: its addresses, and the node's end of its veth."""

    ips: tuple[str, ...]
    host_veth: str


def configuration(plan: NodePlan) -> Mapping[str, object]:
    """The list of plugins that stands in the node's /etc/cni/net.d."""
    ports = {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True}
    return {"cniVersion": _VERSION, "name": _NAME, "plugins": [_bridge(plan), ports]}


def attach(node: Node, plan: NodePlan, container: str, netns: str) -> Attached:
    """Give the sandbox ``container``, whose network namespace is at ``netns``, its ``eth0``."""
    result: Mapping[str, Any] = json.loads(_called(node, plan, "ADD", container, netns))
    veth = next(one["name"] for one in result["interfaces"] if one["name"].startswith("veth"))
    return Attached(tuple(one["address"].partition("/")[0] for one in result["ips"]), veth)


def detach(node: Node, plan: NodePlan, container: str, netns: str = "") -> None:
    """Take it away again, and give back its addresses; without ``netns`` where that is gone already."""
    _called(node, plan, "DEL", container, netns)


def _called(node: Node, plan: NodePlan, verb: str, container: str, netns: str) -> str:
    words = {"COMMAND": verb, "CONTAINERID": container, "NETNS": netns, "IFNAME": "eth0", "PATH": _FOLDER}
    environment = [f"CNI_{key}={value}" for key, value in words.items()]
    asked = json.dumps({"cniVersion": _VERSION, "name": _NAME, **_bridge(plan)})
    return node.run(["env", *environment, f"{_FOLDER}/bridge"], stdin=asked).stdout


def _bridge(plan: NodePlan) -> Mapping[str, object]:
    return {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": plan.pod_cidr}], [{"subnet": plan.pod_cidr6}]],
            "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
        },
    }
