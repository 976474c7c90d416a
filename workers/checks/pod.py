"""Where a pod lives, how its packets reach the node, whether DNS answers from inside it, and what is wrong with any of that."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from node_helper.facts import devices, dns, interfaces, raw, redirects, resolv_conf, route_to, routes, sandbox, sockets
from node_helper.kernel import Netns
from node_helper.protocol import CannotLook
from workers import locate
from workers.check import Access, Ask, Check, Plan, Round, View, ask, batch
from workers.checks import _pod_ports
from workers.checks._pod_judge import judge
from workers.checks._pod_seen import Seen
from workers.checks._pod_show import show
from workers.params import Arg, PodTarget

RawView = Literal["addr", "route", "neigh", "sockets"]
USUAL_RAW: tuple[RawView, ...] = ("addr", "route")


@dataclass(frozen=True)
class Params:
    """A pod, and one view of its network namespace as the reference tool prints it."""

    pod: Annotated[PodTarget, Arg("the pod: name, namespace/name, prefix, app=label, deploy/name or IP")]
    raw: Annotated[RawView | None, Arg("what ip or ss would print inside: addr, route, neigh or sockets")] = None


def plan(params: Params, view: View) -> Plan[Seen]:
    """Find the pod, find its sandbox, look inside, and ask its nameservers."""
    located = locate.pod(view, params.pod)
    pod = located.pod
    seen = Seen(located)
    if not seen.can_ask(view):
        return seen
    query = sandbox.Query(pod.uid, pod.name, pod.namespace, pod.host_network, pod.config_hash)
    place = yield from ask(pod.node, sandbox.FACT, query)
    seen = replace(seen, sandbox=place)
    if isinstance(place, sandbox.Sandbox) and place.state == "absent":
        return replace(seen, devices=(yield from ask(pod.node, devices.FACT, devices.Query())))
    if isinstance(place, CannotLook) or place.netns is None:
        return seen
    seen = yield from _inside(params, seen, place, place.netns)
    if _pod_ports.deaf(view, seen):
        seen = replace(seen, redirects=(yield from ask(pod.node, redirects.FACT, redirects.Query(place.netns))))
    return (yield from _resolve(seen, place.netns))


def _inside(params: Params, seen: Seen, place: sandbox.Sandbox, netns: Netns) -> Plan[Seen]:
    """One round: resolv.conf always, the devices and routes only where the namespace is the pod's own."""
    node, own = seen.pod.node, not place.host_network
    look = Round()
    resolver = look.add("resolv.conf", Ask(node, resolv_conf.FACT, resolv_conf.Query(place.pid))) if place.pid else None
    views = (params.raw,) if params.raw else USUAL_RAW if own else ()
    texts = {view: look.add(f"raw {view}", Ask(node, raw.FACT, raw.Query(netns, view))) for view in views}
    links = look.add("interfaces", Ask(node, interfaces.FACT, interfaces.Query(netns))) if own else None
    paths = look.add("routes", Ask(node, routes.FACT, routes.Query(netns))) if own else None
    open_ports = look.add("sockets", Ask(node, sockets.FACT, sockets.Query(netns, waiting=True))) if own else None
    back = [look.add(f"node route {ip}", Ask(node, route_to.FACT, route_to.Query(ip))) for ip in seen.pod.ips if own]
    got = yield from look.ask()
    return replace(
        seen,
        resolv_conf=resolver.of(got) if resolver else None,
        interfaces=links.of(got) if links else None,
        routes=paths.of(got) if paths else None,
        sockets=open_ports.of(got) if open_ports else None,
        node_routes={ip: slot.of(got) for ip, slot in zip(seen.pod.ips, back, strict=False)},
        raw={view: slot.of(got) for view, slot in texts.items()},
    )


def _resolve(seen: Seen, netns: Netns) -> Plan[Seen]:
    """Ask each nameserver of the pod for a name that every cluster has."""
    if not isinstance(seen.resolv_conf, resolv_conf.ResolvConf):
        return seen
    name = probe_name(seen.resolv_conf.search)
    asks = {s: Ask(seen.pod.node, dns.FACT, dns.Query(netns, s, name)) for s in seen.resolv_conf.nameservers}
    return replace(seen, dns_name=name, dns=(yield from batch(asks)))


def probe_name(search: tuple[str, ...]) -> str:
    """`kubernetes.default` under the cluster's domain, which the pod's search path tells (kubernetes.io, DNS for Services)."""
    domain = next((s.removeprefix("svc.") for s in search if s.startswith("svc.")), "cluster.local")
    return f"kubernetes.default.svc.{domain}"


CHECK = Check(
    name="pod",
    summary="Where a pod lives, the veth that carries its traffic, whether DNS answers inside it, and what is wrong",
    access=Access.READ,
    params=Params,
    plan=plan,
    judge=judge,
    show=show,
    examples=("pod hello-world", "pod shop/cart raw=route", "pod app=web in shop"),
    aliases=("po",),
)
