"""What is wrong with a pod's way to the network, by the evidence of one look. Ids and proofs: failure modes of the project."""

from __future__ import annotations

from collections.abc import Iterator

from node_helper.facts import interfaces, routes, sandbox
from node_helper.facts.interfaces import Interface
from node_helper.protocol import CannotLook
from workers import findings
from workers.check import View
from workers.checks import _pod_dns, _pod_ports, _pod_states
from workers.checks._pod_seen import Seen
from workers.model import Confidence, Evidence, Finding, Severity

AF_INET, AF_INET6 = 2, 10  # Linux: include/linux/socket.h
_NEEDED = ("pods", "nodes", "services", "slices")
_DEAD = frozenset({"down", "lowerlayerdown", "notpresent", "dormant"})


def judge(params: object, view: View, seen: Seen) -> Iterator[Finding]:  # noqa: ARG001  (every judge has this shape)
    """Every finding about one pod."""
    yield from findings.cluster_gaps(view, *_NEEDED)
    yield from _pod_states.judge(view, seen)
    yield from findings.duplicate_ip(view, seen.pod)
    for service in findings.services_of(view, seen.pod):
        yield from findings.no_endpoints(view, service)
    yield from _unseen(view, seen)
    if isinstance(seen.sandbox, sandbox.Sandbox):
        yield from _devices(view, seen)
        yield from _way_back(view, seen)
    yield from _pod_ports.judge(view, seen)
    yield from _pod_dns.judge(view, seen)


def _unseen(view: View, seen: Seen) -> Iterator[Finding]:
    looked = {
        "the pod's sandbox": seen.sandbox, "the pod's interfaces": seen.interfaces, "the pod's routes": seen.routes,
        "the pod's sockets": seen.sockets, "the pod's resolv.conf": seen.resolv_conf,
        **{f"the node's route to {ip}": route for ip, route in seen.node_routes.items()},
        **{f"the raw {name}": text for name, text in seen.raw.items()},
    }  # fmt: skip
    for what, answer in looked.items():
        if isinstance(answer, CannotLook):
            yield findings.unknown(answer, node=seen.pod.node, what=what, now=view.now, subject=str(seen.pod))


def _devices(view: View, seen: Seen) -> Iterator[Finding]:
    if not isinstance(seen.interfaces, interfaces.Interfaces):
        return
    devices = [i for i in seen.interfaces.interfaces if "LOOPBACK" not in i.link.flags]
    carried = {a.split("/")[0] for i in devices for a in i.addresses}
    if not devices:
        yield _broken(seen, "has no network device but loopback", Evidence("netlink RTM_GETLINK in the pod", "lo only", view.now))
    elif missing := [ip for ip in seen.pod.ips if ip not in carried]:
        claim = f"has {', '.join(missing)} in Kubernetes, but no device inside the pod carries it"
        yield _broken(seen, claim, Evidence("netlink RTM_GETADDR in the pod", ", ".join(sorted(carried)) or "none", view.now))
    for device in _carrying(seen, devices):
        yield from _device(view, seen, device)
    if devices and isinstance(seen.routes, routes.Routes):
        yield from _default_routes(view, seen, seen.routes)


def _carrying(seen: Seen, devices: list[Interface]) -> list[Interface]:
    """The devices with the pod's addresses, else its veths.

    Others prove nothing: a fallback device such as tunl0 is down in every namespace (net.core.fb_tunnels_only_for_init_net in
    Documentation/admin-guide/sysctl/net.rst), and what a pod makes inside itself (docker0, its containers' veths) is its own.
    """
    carrying = [i for i in devices if any(a.split("/")[0] in seen.pod.ips for a in i.addresses)]
    return carrying or [i for i in devices if i.link.kind == "veth"]


def _default_routes(view: View, seen: Seen, inside: routes.Routes) -> Iterator[Finding]:
    """One for each family in which the pod has an address."""
    for family, name in ((AF_INET, "IPv4"), (AF_INET6, "IPv6")):
        there = [r for r in inside.routes if r.family == family]
        wanted = any((":" in ip) == (family == AF_INET6) for ip in seen.pod.ips)
        # Older kernels list the "unreachable default" that IPv6 has in every namespace (ip6_null_entry in net/ipv6/route.c).
        if wanted and not any(r.destination == "default" and r.kind == "unicast" for r in there):
            shown = "; ".join(r.destination for r in there[:5]) or "none"
            yield _broken(
                seen, f"has no {name} default route inside", Evidence("netlink RTM_GETROUTE in the pod", shown, view.now)
            )


def _device(view: View, seen: Seen, device: Interface) -> Iterator[Finding]:
    link, peer = device.link, device.peer
    here = Evidence(f"netlink RTM_GETLINK in the pod, {link.name}", _link_words(device), view.now)
    if "UP" not in link.flags or link.state in _DEAD:
        yield _broken(seen, f"has {link.name} {link.state} inside", here)
    if link.kind == "veth" and peer is None:
        yield _broken(seen, f"has no host peer for {link.name}: {device.pairless}", here)
    if peer is None:
        return
    there = Evidence(f"netlink RTM_GETLINK on {seen.pod.node}, {peer.link.name}", _peer_words(device), view.now)
    if not peer.mutual:
        yield _broken(seen, f"has {link.name}, whose host device {peer.link.name} does not point back to it", here, there)
    elif "UP" not in peer.link.flags or peer.link.state in _DEAD:
        yield _broken(seen, f"has its host veth {peer.link.name} {peer.link.state}", there)
    if peer.link.mtu != link.mtu:
        yield Finding(
            "mtu-mismatch", Severity.PROBLEM, f"The two ends of {seen.pod}'s veth disagree on the MTU: {link.mtu} inside, "
            f"{peer.link.mtu} on the node", (here, there), "Both ends showing one MTU.",
            "Recreate the pod; if it comes back so, set one MTU in the CNI configuration.", str(seen.pod), seen.pod.node,
        )  # fmt: skip


def _way_back(view: View, seen: Seen) -> Iterator[Finding]:
    """The node must send the pod's address to the pod's own host device, or to the bridge that it is in.

    A veth outside any bridge that the node does not route to is how eBPF dataplanes work (Cilium routes to cilium_host), and
    those on Open vSwitch (Antrea, OVN-Kubernetes: the veth's master is ovs-system, the route leads to a port of the switch such
    as antrea-gw0; net/openvswitch/vport-netdev.c): that is no proof of a fault, and is said to be not evaluated.
    """
    if not isinstance(seen.interfaces, interfaces.Interfaces):
        return
    peers = [i.peer for i in seen.interfaces.interfaces if i.peer]
    doors = {p.link.name for p in peers} | {p.master for p in peers if p.master}
    for ip, route in seen.node_routes.items():
        if isinstance(route, CannotLook) or not peers or (route.kind == "unicast" and route.device in doors):
            continue
        said = f"{route.kind} dev {route.device or 'none'} via {route.via or 'none'}"
        asked = Evidence(f"ip route get {ip} on {seen.pod.node}", said, view.now)
        devices = Evidence("the pod's host devices", ", ".join(sorted(doors)), view.now)
        if route.kind == "unicast" and not any(p.master_kind == "bridge" for p in peers):
            yield _not_evaluated(seen, ip, asked, devices)
        else:
            yield _broken(seen, f"is not where {seen.pod.node} routes {ip}", asked, devices)


def _not_evaluated(seen: Seen, ip: str, *evidence: Evidence) -> Finding:
    return Finding(
        id="dataplane-not-evaluated",
        severity=Severity.UNKNOWN,
        confidence=Confidence.CANNOT_TELL,
        claim=f"{seen.pod.node} does not route {ip} to the pod's veth; what carries its packets there was not evaluated",
        evidence=evidence,
        disprove="A route to the pod's own host device, or a program or switch seen there that sends on to the pod.",
        fix="Ask the CNI's own tool (such as `cilium endpoint list`, `ovs-vsctl show`) whether it knows this pod.",
        subject=str(seen.pod),
        node=seen.pod.node,
    )


def _broken(seen: Seen, claim: str, *evidence: Evidence) -> Finding:
    return Finding(
        id="veth-broken",
        severity=Severity.PROBLEM,
        claim=f"{seen.pod} {claim}",
        evidence=evidence,
        disprove="The pod's device up with its address and a default route, its host peer up and mutual, the node's route to it.",
        fix="Delete the pod so that its sandbox is made anew; if it comes back so, read the CNI plugin's log on that node.",
        subject=str(seen.pod),
        node=seen.pod.node,
    )


def _link_words(device: Interface) -> str:
    link = device.link
    return f"index {link.ifindex}, {link.kind or 'no kind'}, state {link.state}, mtu {link.mtu}, peer index {link.link}"


def _peer_words(device: Interface) -> str:
    peer = device.peer
    if peer is None:
        return device.pairless
    link = peer.link
    return f"index {link.ifindex}, state {link.state}, mtu {link.mtu}, master {peer.master or 'none'}, peer index {link.link}"
