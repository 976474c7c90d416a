"""Two pods of one node have the same address: both answer for it, and both objects say so."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy.lab.lab import Lab

NAME = "duplicate-ip"
ASK = "pod {client}"
FINDING = "duplicate-pod-ip"


def inject(lab: Lab) -> Callable[[], object]:
    """Give the client the address of the hello-world pod beside it."""
    taken = lab.find_pod("hello-world").ips[0]
    client = lab.find_pod("client")
    before = lab.api_object(client)
    twin = dict(copy.deepcopy(before))
    twin["status"]["podIP"], twin["status"]["podIPs"][0]["ip"] = taken, taken

    def address(verb: str) -> None:
        enter = ["nsenter", f"--target={client.pid}", "--net"]
        lab.nodes[client.node].run([*enter, "ip", "address", verb, f"{taken}/24", "dev", "eth0"])

    def mend() -> None:
        address("del")
        lab.store.put(before)

    address("add")
    lab.store.put(twin)
    return mend
