"""What a node's settings prove by themselves: forwarding, bridged packets, MTUs of its devices.

Sources: networking/ip-sysctl.rst and bridge.rst of the kernel's documentation; kubernetes/kubernetes#20475 (bridge-nf).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from node_helper.facts.devices import Device
from node_helper.facts.sysctls import Sysctls
from workers.check import View
from workers.checks._node_seen import Seen
from workers.model import Evidence, Finding, Severity

_OVERHEADS = {
    "vxlan": 50, "geneve": 50, "ipip": 20, "sit": 20, "gre": 24, "gretap": 38, "ip6tnl": 40, "ip6gre": 44, "ip6gretap": 58,
}  # fmt: skip
"""The least that these add to a packet: vxlan and geneve by IPv4, the others by the one that their kind says."""
_EITHER, _MORE = frozenset({"vxlan", "geneve"}), 20  # bytes by which a header of IPv6 is longer
_FORWARDING = {
    4: ("net/ipv4/ip_forward", "net.ipv4.ip_forward"),
    6: ("net/ipv6/conf/all/forwarding", "net.ipv6.conf.all.forwarding"),
}
_BRIDGE_NF = {4: "net/bridge/bridge-nf-call-iptables", 6: "net/bridge/bridge-nf-call-ip6tables"}
_SHOWN = 5


def judge(view: View, seen: Seen) -> Iterator[Finding]:
    """Every finding about settings."""
    if isinstance(seen.settings.sysctls, Sysctls):
        yield from _forwarding(view, seen)
        yield from _bridge(view, seen)
    for device in seen.devices:
        yield from _tunnel(view, seen, device)
    for bridge in (d for d in seen.devices if d.link.kind == "bridge"):
        yield from _ports(view, seen, bridge)
    yield from _uplink(view, seen)


def _forwarding(view: View, seen: Seen) -> Iterator[Finding]:
    """For the families in which the node has pods; then for the devices through which they come."""
    families = _families(seen)
    off = [known for family, known in _FORWARDING.items() if family in families and seen.value(known[0]) == "0"]
    doors = [*_pod_bridges(seen), *seen.uplinks]
    if not off:
        paths = [f"net/ipv4/conf/{d.link.name}/forwarding" for d in doors] if 4 in families else []  # noqa: PLR2004  (IPv4)
        off = [(path, path.replace("/", ".")) for path in paths if seen.value(path) == "0"]
    if off:
        yield Finding(
            id="ip-forward-off",
            severity=Severity.PROBLEM,
            claim=f"{seen.node.name} does not forward packets: {', '.join(key for _, key in off)} is 0",
            evidence=tuple(Evidence(f"/proc/sys/{path} on {seen.node.name}", "0", view.now) for path, _ in off),
            disprove="The value 1 in these files.",
            fix=f"`sysctl -w {off[0][1]}=1`, and the same in a file of /etc/sysctl.d so that it lasts; find what set it to 0.",
            node=seen.node.name,
        )


def _bridge(view: View, seen: Seen) -> Iterator[Finding]:
    """Replies between two pods of one bridge pass by conntrack, so that a service's address is not put back into them."""
    for bridge in _pod_bridges(seen):
        families = {ipaddress.ip_interface(a).version for a in bridge.addresses} & _families(seen)
        keys = [_BRIDGE_NF[family] for family in sorted(families) if seen.value(_BRIDGE_NF[family]) != "1"]
        behind = _behind(view, seen, bridge)
        if keys and behind:
            said = tuple(Evidence(f"/proc/sys/{k} on {seen.node.name}", seen.value(k) or "no such file", view.now) for k in keys)
            yield Finding(
                id="bridge-nf-off",
                severity=Severity.PROBLEM,
                claim=f"Packets between pods on {bridge.link.name} of {seen.node.name} pass by its rules: a service fails for a "
                "client whose endpoint is on the same node",
                evidence=(*said, behind),
                disprove="The value 1 in these files, or a pod that reaches itself and its neighbours by a service's address.",
                fix="`modprobe br_netfilter` and `sysctl -w net.bridge.bridge-nf-call-iptables=1` (ip6tables too), both made "
                "to last by files in /etc/modules-load.d and /etc/sysctl.d.",
                node=seen.node.name,
            )


def _behind(view: View, seen: Seen, bridge: Device) -> Evidence | None:
    """That pods are at a bridge: veths that lead into namespaces, or where those are not known the node's pods; None without.

    The node's own bridge, on a card and in one large network with pods that are elsewhere, is none of theirs.
    """
    if seen.every_device:
        ports = sum(d.link.master == bridge.link.ifindex and d.link.link_netnsid is not None for d in seen.devices)
        return Evidence(f"netlink RTM_GETLINK, veths of pods at {bridge.link.name}", str(ports), view.now) if ports else None
    pods = 0 if bridge in seen.uplinks else len(seen.pod_addresses)
    return Evidence(f"Kubernetes API, addresses of pods on {seen.node.name}", str(pods), view.cluster.as_of) if pods else None


def _tunnel(view: View, seen: Seen, device: Device) -> Iterator[Finding]:
    """A tunnel that is bound to a device must leave room in it for its own header."""
    link, overhead = device.link, _overhead(seen, device.link.kind)
    below = next((d.link for d in seen.devices if d.link.ifindex == link.link and link.link_netnsid is None), None)
    if overhead is None or below is None or "UP" not in link.flags or link.mtu <= below.mtu - overhead:
        return
    claim = f"Packets of {link.name} with {link.mtu} bytes do not fit through {below.name} of {seen.node.name}"
    fits = f"{below.mtu} - {overhead} = {below.mtu - overhead}"
    here = (_mtu(view, seen, device), Evidence(f"MTU of {below.name}, less the header of {link.kind}", fits, view.now))
    yield _narrow(seen, claim, here, f"Set the MTU of {link.name} to {below.mtu - overhead} or less, in the CNI's configuration.")


def _overhead(seen: Seen, kind: str) -> int | None:
    """Nodes that have only addresses of IPv6 reach each other by them alone; None for what is no tunnel."""
    by_ipv6 = kind in _EITHER and bool(seen.node.addresses) and all(":" in a for a in seen.node.addresses)
    least = _OVERHEADS.get(kind)
    return None if least is None else least + (_MORE if by_ipv6 else 0)


def _ports(view: View, seen: Seen, bridge: Device) -> Iterator[Finding]:
    """A bridge drops, without a word, what is longer than the MTU of the port that it would leave by (is_skb_forwardable)."""
    ports = [d for d in seen.devices if d.link.master == bridge.link.ifindex and "UP" in d.link.flags]
    if len({p.link.mtu for p in ports}) < 2:  # noqa: PLR2004  (no two differ)
        return
    least = min(p.link.mtu for p in ports)
    narrow = [p for p in ports if p.link.mtu == least]
    wide = next(p for p in ports if p.link.mtu != least)
    claim = (
        f"{bridge.link.name} of {seen.node.name} has ports of different MTUs: packets of more than {least} bytes to "
        f"{', '.join(p.link.name for p in narrow[:_SHOWN])}{' and others' if len(narrow) > _SHOWN else ''} are dropped"
    )
    here = tuple(_mtu(view, seen, d) for d in (*narrow[:2], wide))
    yield _narrow(
        seen, claim, here, "Recreate the pods behind the ports that keep an older MTU; set one MTU in the CNI's settings."
    )


def _uplink(view: View, seen: Seen) -> Iterator[Finding]:
    """What pods may send must fit through the device that carries the node's own address."""
    uplinks = [d for d in seen.uplinks if "UP" in d.link.flags]
    if not uplinks:
        return
    widest = max(uplinks, key=lambda d: d.link.mtu)
    leading = {d.link.ifindex for d in _pod_bridges(seen)}
    others = {d.link.ifindex for d in seen.devices if d.link.kind == "bridge" and d.addresses} - leading  # such as docker0
    veths = [d for d in seen.devices if d.link.kind == "veth" and d.link.link_netnsid is not None and d not in seen.uplinks]
    pods = [d for d in veths if d.link.master not in others]
    wide = [d for d in pods if "UP" in d.link.flags and d.link.mtu > widest.link.mtu]
    if wide:
        sent, taken = wide[0].link.mtu, widest.link.mtu
        claim = f"{len(wide)} pods of {seen.node.name} send packets of up to {sent} bytes; {widest.link.name} takes {taken}"
        here = (_mtu(view, seen, wide[0]), _mtu(view, seen, widest))
        yield _narrow(seen, claim, here, f"Set the CNI's MTU to {widest.link.mtu} or less, then recreate the pods.")


def _narrow(seen: Seen, claim: str, evidence: tuple[Evidence, ...], fix: str) -> Finding:
    disprove = "MTUs that fit into one another."
    return Finding("mtu-mismatch", Severity.WARNING, claim, evidence, disprove, fix, node=seen.node.name)


def _mtu(view: View, seen: Seen, device: Device) -> Evidence:
    return Evidence(f"netlink RTM_GETLINK on {seen.node.name}, {device.link.name}", f"mtu {device.link.mtu}", view.now)


def _families(seen: Seen) -> set[int]:
    """Those of the node's pod CIDRs and of its pods (many CNIs use no CIDRs of nodes); else that of the node's first address."""
    known: set[int] = {network.version for network in seen.pod_networks} | {ip.version for ip in seen.pod_addresses}
    return known or {ipaddress.ip_address(a).version for a in seen.node.addresses[:1]}


def _pod_bridges(seen: Seen) -> list[Device]:
    """The gateways of its pods: bridges with an address out of the node's pod CIDRs, or in one network with a pod."""
    return [d for d in seen.devices if d.link.kind == "bridge" and any(_leads(seen, a) for a in d.addresses)]


def _leads(seen: Seen, address: str) -> bool:
    own = ipaddress.ip_interface(address)
    return any(own.ip in network for network in seen.pod_networks) or any(ip in own.network for ip in seen.pod_addresses)
