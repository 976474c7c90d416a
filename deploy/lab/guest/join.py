"""One more node for a lab that is up: with a kernel of its own, the helper behind its sshd, and a place in the API.

It stands beside the lab's own nodes: no pods are placed on it. Services are done as kube-proxy's IPVS mode does them.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from deploy.lab import cgroups, controlplane, manifests, packages, sshd
from deploy.lab.forward import Forward, Place
from deploy.lab.guest.node import GuestNode
from deploy.lab.kubeproxy import ipvs
from deploy.lab.kubeproxy.model import Family
from deploy.lab.lab import Lab
from deploy.lab.node import Site
from deploy.lab.parts import Parts
from deploy.lab.plan import SERVICE_CIDRS, NodePlan, Proxy
from deploy.lab.reaper import Reaper

NAME = "node-own"
_RUNTIME = "none://0"
_PORT = 22


@contextmanager
def joined(lab: Lab, name: str = NAME) -> Iterator[GuestNode]:
    """The node, reached by the lab's own SSH configuration under its name; gone again at the end.

    Whoever read that configuration before does not know the node. Raises :class:`LabError`.
    """
    plan = NodePlan(name, 1 + len(lab.store.list("Node")), Proxy.IPTABLES, runtime="none")
    config, access, parts = lab.ssh_config.read_text(encoding="utf-8"), sshd.Access.of(lab.folder / "ssh"), Parts()
    plugged = False
    try:
        node = parts.opened(GuestNode(name, _site(parts, lab)))
        lab.fabric.plug(node, plan, lab.plans)
        plugged = True
        sshd.open_one(node, access, lab.folder)
        port = parts.opened(Forward(Place(None, "127.0.0.1", 0), Place(lab.fabric.pid, plan.address, _PORT))).port
        lab.ssh_config.write_text(config + access.entry(name, port), encoding="utf-8")
        machine_id = node.path("/etc/machine-id").read_text(encoding="ascii").strip()
        lab.store.put(manifests.node(plan, machine_id, _RUNTIME))
        _prepare_services(node)
        sync(lab, node)
        yield node
    finally:
        if lab.store.get("Node", name) is not None:
            lab.store.delete("Node", name)
        lab.ssh_config.write_text(config, encoding="utf-8")
        if plugged:
            lab.fabric.unplug(plan)
        parts.close()
        shutil.rmtree(lab.folder / name, ignore_errors=True)  # the name can join again


def sync(lab: Lab, node: GuestNode) -> None:
    """Do kube-proxy's part after a change of the lab's objects, as :meth:`Lab.apply` does it for the other nodes."""
    wanted = [ipvs.render_ipvs(controlplane.for_proxy(lab.store), node.name, family=family) for family in Family]
    node.ip(f"addr flush dev {ipvs.DEVICE}", *(f"addr add {a} dev {ipvs.DEVICE}" for w in wanted for a in w.addresses))
    node.run(["ipvsadm", "--clear"])
    node.run(["ipvsadm-restore"], stdin="".join(w.text for w in wanted))


def _prepare_services(node: GuestNode) -> None:
    """The node's own connections to services leave with the node's address, and not with the service's."""
    node.sysctl(ipvs.SETTINGS)
    node.ip(f"link add {ipvs.DEVICE} type dummy")
    services = next(cidr for cidr in SERVICE_CIDRS.split(",") if ":" not in cidr)
    node.run(["iptables-legacy", "-t", "nat", "-A", "POSTROUTING", "-s", services, "-j", "MASQUERADE"])


def _site(parts: Parts, lab: Lab) -> Site:
    reaper = parts.opened(Reaper())
    return Site(lab.folder, packages.prepare(lambda _: None), reaper, cgroups.usual(cgroups.on_this_machine()))
