"""The node's own network devices with their addresses: MTU, state, kind, what they belong to, packets and drops."""

from __future__ import annotations

from dataclasses import dataclass

from node_helper.kernel import Kernel
from node_helper.protocol import Fact
from node_helper.records import Link


@dataclass(frozen=True)
class Query:
    """The node's own namespace."""


@dataclass(frozen=True)
class Device:
    """A device as `ip -s link` shows it, and its addresses."""

    link: Link
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Devices:
    """Every device, by ifindex."""

    devices: tuple[Device, ...]


def collect(kernel: Kernel, query: Query) -> Devices:  # noqa: ARG001  (every fact takes one)
    """Ask rtnetlink for both tables."""
    netns = kernel.own_netns()
    addresses: dict[int, list[str]] = {}
    for each in kernel.addresses(netns):
        addresses.setdefault(each.ifindex, []).append(each.address)
    return Devices(tuple(Device(link, tuple(addresses.get(link.ifindex, ()))) for link in kernel.links(netns)))


FACT = Fact(name="devices", query=Query, answer=Devices, collect=collect)
