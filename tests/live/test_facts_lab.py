"""In the lab, where runtime, tools and DNS are real: facts are what CRI and iproute2 say, and the node stays as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.lab.lab import Lab
from deploy.lab.node import Node
from deploy.lab.plan import DNS_ADDRESS, NODES
from deploy.lab.runtime import PodFacts, PodSpec
from node_helper.facts import connect, dns, dns_pair, interfaces, neighbours, raw, resolv_conf, route_to, routes, sandbox, sockets
from node_helper.facts.interfaces import Interface
from node_helper.kernel import Netns
from node_helper.protocol import CannotLook
from tests.node_helper_asked import Asked, asked

pytestmark = pytest.mark.live
SSH = 22
HANDSHAKES = 10


@pytest.fixture(scope="module")
def helpers(lab: Lab) -> Iterator[dict[str, Asked]]:
    with asked(lab.nodes["node-one"]) as one, asked(lab.nodes["node-two"]) as two:
        yield {"node-one": one, "node-two": two}


def all_pods(lab: Lab) -> list[PodFacts]:
    return list(lab.pods.values())


def own_network(lab: Lab) -> list[PodFacts]:
    return [pod for pod in all_pods(lab) if not pod.spec.host_network]


def placed(helpers: dict[str, Asked], pod: PodFacts) -> sandbox.Sandbox:
    query = sandbox.Query(pod.spec.uid, pod.spec.name, pod.spec.namespace, host_network=pod.spec.host_network)
    return helpers[pod.node].ask(sandbox.FACT, query)


def netns_of(helpers: dict[str, Asked], pod: PodFacts) -> Netns:
    found = placed(helpers, pod).netns
    assert found is not None
    return found


def eth0(helpers: dict[str, Asked], pod: PodFacts) -> Interface:
    found = helpers[pod.node].ask(interfaces.FACT, interfaces.Query(netns_of(helpers, pod)))
    return next(one for one in found.interfaces if one.link.name == "eth0")


def inside(node: Node, pod: PodFacts, *argv: str) -> str:
    return node.run(["nsenter", "--target", str(pod.pid), "--net", "--", *argv]).stdout


def received(node: Node) -> dict[str, int]:
    links = json.loads(node.run(["ip", "-j", "-s", "link"]).stdout)
    return {link["ifname"]: link["stats64"]["rx"]["packets"] for link in links}


def test_every_pods_sandbox_is_the_one_that_cri_names(lab: Lab, helpers: dict[str, Asked]) -> None:
    for pod in all_pods(lab):
        found = placed(helpers, pod)
        assert (found.runtime, found.id, found.pid, found.state) == (pod.runtime, pod.sandbox_id, pod.pid, "ready")
        assert found.host_network is pod.spec.host_network
        assert found.processes >= 2  # the pause and the container
        assert found.netns is not None
        seen = lab.nodes[pod.node].run(["readlink", f"/proc/{pod.pid}/ns/net"]).stdout.strip()
        assert seen == f"net:[{found.netns.inode}]"
        if not pod.spec.host_network:
            assert found.netns.path == pod.netns


def test_every_pods_veth_is_the_one_whose_counters_carry_its_traffic(lab: Lab, helpers: dict[str, Asked]) -> None:
    for pod in own_network(lab):
        node, netns = lab.nodes[pod.node], netns_of(helpers, pod)
        gateway = next(plan for plan in NODES if plan.name == pod.node).pod_cidr.replace(".0/24", ".1")
        named = eth0(helpers, pod).peer
        assert named is not None
        before = received(node)
        for _ in range(HANDSHAKES):
            assert helpers[pod.node].ask(connect.FACT, connect.Query(netns, gateway, SSH)).outcome == "answered"
        after = received(node)
        moved = {name: after[name] - before[name] for name in after if name.startswith("veth")}
        assert max(moved, key=lambda name: moved[name]) == named.link.name == pod.host_veth
        assert moved[named.link.name] >= 2 * HANDSHAKES  # SYN, then ACK or RST


def test_every_pair_points_to_each_other_and_hangs_in_the_bridge(lab: Lab, helpers: dict[str, Asked]) -> None:
    for pod in own_network(lab):
        found = eth0(helpers, pod)
        assert found.peer is not None
        assert (found.peer.link.ifindex, found.peer.link.link) == (found.link.link, found.link.ifindex)
        assert (found.peer.mutual, found.peer.master, found.peer.link.state) == (True, "cni0", "up")
        assert {address.split("/")[0] for address in found.addresses} >= set(pod.ips)


def test_devices_and_addresses_are_what_ip_prints(lab: Lab, helpers: dict[str, Asked]) -> None:
    for pod in own_network(lab):
        told = {link["ifindex"]: link for link in json.loads(inside(lab.nodes[pod.node], pod, "ip", "-j", "-d", "addr"))}
        query = interfaces.Query(netns_of(helpers, pod))
        found = {one.link.ifindex: one for one in helpers[pod.node].ask(interfaces.FACT, query).interfaces}
        assert found.keys() == told.keys()
        for index, one in found.items():
            other: dict[str, Any] = told[index]
            assert (one.link.name, one.link.mtu, one.link.mac) == (other["ifname"], other["mtu"], other["address"])
            assert (one.link.state, list(one.link.flags)) == (other["operstate"].lower(), other["flags"])
            assert one.link.kind == other.get("linkinfo", {}).get("info_kind", "")
            assert (one.link.link, one.link.link_netnsid) == (other.get("link_index"), other.get("link_netnsid"))
            assert list(one.addresses) == [f"{a['local']}/{a['prefixlen']}" for a in other["addr_info"]]


def test_routes_are_what_ip_prints(lab: Lab, helpers: dict[str, Asked]) -> None:
    for pod in all_pods(lab):
        node = lab.nodes[pod.node]
        found = helpers[pod.node].ask(routes.FACT, routes.Query(netns_of(helpers, pod))).routes
        for family, version in ((2, "-4"), (10, "-6")):
            told = json.loads(inside(node, pod, "ip", "-j", "-d", version, "route", "show", "table", "main"))
            ours = [r for r in found if r.family == family and r.table == 254]
            assert [(r.destination.removesuffix("/32").removesuffix("/128"), r.hops[0].via, r.hops[0].device) for r in ours] == [
                (r["dst"], r.get("gateway"), r["dev"]) for r in told
            ]
            assert [(r.protocol, r.metric, r.source) for r in ours] == [
                (r.get("protocol"), r.get("metric"), r.get("prefsrc")) for r in told
            ]


def test_the_nodes_own_lookup_is_ip_route_get(lab: Lab, helpers: dict[str, Asked]) -> None:
    for pod in own_network(lab):
        for name, helper in helpers.items():
            found = helper.ask(route_to.FACT, route_to.Query(pod.ips[0]))
            told = json.loads(lab.nodes[name].run(["ip", "-j", "route", "get", pod.ips[0]]).stdout)[0]
            assert (found.device, found.via) == (told["dev"], told.get("gateway"))
            assert (found.device == "cni0") is (name == pod.node)


def test_neighbours_are_what_ip_prints(lab: Lab, helpers: dict[str, Asked]) -> None:
    for pod in own_network(lab):
        found = helpers[pod.node].ask(neighbours.FACT, neighbours.Query(netns_of(helpers, pod))).neighbours
        told = json.loads(inside(lab.nodes[pod.node], pod, "ip", "-j", "neigh"))
        assert {(n.address, n.device, n.mac) for n in found} == {(n["dst"], n["dev"], n.get("lladdr")) for n in told}


def test_sockets_are_those_that_ss_lists(lab: Lab, helpers: dict[str, Asked]) -> None:
    for pod in all_pods(lab):
        found = helpers[pod.node].ask(sockets.FACT, sockets.Query(netns_of(helpers, pod))).sockets
        told = [line.split() for line in inside(lab.nodes[pod.node], pod, "ss", "-Htuln").splitlines()]
        ours = {(s.protocol[:3], str(s.local_port)) for s in found if s.state in ("LISTEN", "UNCONN")}
        assert ours == {(words[0], words[4].rpartition(":")[2]) for words in told}


def test_raw_text_is_byte_for_byte_what_a_person_would_read(lab: Lab, helpers: dict[str, Asked]) -> None:
    pod = lab.pods["default/client"]
    netns, node = netns_of(helpers, pod), lab.nodes[pod.node]
    for what, commands in (("addr", ["ip addr"]), ("route", ["ip route", "ip -6 route"]), ("neigh", ["ip neigh"])):
        found = helpers[pod.node].ask(raw.FACT, raw.Query(netns, what))  # type: ignore[arg-type]  # each of the literals
        assert found.text == "".join(inside(node, pod, *command.split()) for command in commands)
    listening = next(pod for pod in own_network(lab) if pod.spec.name.startswith("hello-world-"))
    found = helpers[listening.node].ask(raw.FACT, raw.Query(netns_of(helpers, listening), "sockets"))
    assert found.argv == ("ss", "-tuna")
    assert ":8080" in found.text


def test_every_pod_reads_the_resolv_conf_that_its_container_reads(lab: Lab, helpers: dict[str, Asked]) -> None:
    for pod in own_network(lab):
        if pod.spec.nameservers:
            found = helpers[pod.node].ask(resolv_conf.FACT, resolv_conf.Query(pod.pid))
            status, said = lab.runtimes[pod.node].exec(pod, ["cat", "/etc/resolv.conf"])
            assert (status, found.text) == (0, said)
            assert (found.nameservers, found.search) == (tuple(pod.spec.nameservers), tuple(pod.spec.searches))


def test_a_pod_that_was_removed_is_absent_and_its_namespace_gone(lab: Lab, helpers: dict[str, Asked]) -> None:
    like = lab.pods["default/client"]
    spec = PodSpec("short-lived", "default", "0aa2ce1b-7b3a-4a2e-9a51-6d2f1a0f5c11", "c", like.spec.image, like.spec.command)
    pod = lab.runtimes["node-one"].run(spec)
    netns = netns_of(helpers, pod)
    assert placed(helpers, pod).pid == pod.pid
    lab.runtimes["node-one"].remove(pod)
    found = placed(helpers, pod)
    assert (found.state, found.pid, found.netns, found.processes) == ("absent", None, None, 0)
    with pytest.raises(CannotLook) as said:
        helpers["node-one"].ask(interfaces.FACT, interfaces.Query(netns))
    assert said.value.kind == "gone"


def test_looking_leaves_the_node_as_it_was(lab: Lab, helpers: dict[str, Asked]) -> None:
    pod = lab.pods["default/client"]
    node, helper = lab.nodes[pod.node], helpers[pod.node]
    before = _everything(node)
    netns = netns_of(helpers, pod)
    for fact in (interfaces, routes, neighbours, sockets):
        helper.ask(fact.FACT, fact.Query(netns))
    helper.ask(dns.FACT, dns.Query(netns, DNS_ADDRESS, "kubernetes.default.svc.cluster.local"))
    helper.ask(dns_pair.FACT, dns_pair.Query(netns, DNS_ADDRESS, "kubernetes.default.svc.cluster.local"))
    helper.ask(resolv_conf.FACT, resolv_conf.Query(pod.pid))
    for what in ("addr", "route", "neigh", "sockets"):
        helper.ask(raw.FACT, raw.Query(netns, what))
    assert _everything(node) == before


def _everything(node: Node) -> tuple[str, ...]:
    """Devices, namespaces and their ids, rules, modules, and which programs run; without counters."""
    looks = (
        ["ip", "-o", "link"],
        ["ip", "-o", "addr"],
        ["ip", "netns", "list-id"],
        ["ls", "/run/netns", "/run/containerd/io.containerd.runtime.v2.task/k8s.io"],
        ["nft", "--stateless", "list", "ruleset"],
        ["cat", "/proc/net/ip_tables_names"],
        ["ps", "-eo", "comm", "--sort", "comm"],
    )
    found = [node.run(argv, check=False).stdout for argv in looks]
    return (*found[:-1], "\n".join(line for line in found[-1].splitlines() if line not in ("ps", "nsenter")))
