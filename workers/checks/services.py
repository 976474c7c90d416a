"""The services of a namespace, and how many of their endpoints are ready."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from workers import findings
from workers.check import Access, Check, Plan, View
from workers.checks._listing import listing, within
from workers.model import Finding, Shown
from workers.objects import Endpoint, Service
from workers.params import Arg, Namespace

COLUMNS = ("namespace", "name", "type", "cluster IPs", "ports", "endpoints ready")


@dataclass(frozen=True)
class Params:
    """Whose services."""

    namespace: Annotated[Namespace | None, Arg("the namespace, or all", word="in")] = None


def plan(params: Params, view: View) -> Plan[tuple[Service, ...]]:
    """Nothing is asked of a node."""
    yield from ()
    return within(view, params.namespace, view.cluster.services.values())


def judge(_params: Params, view: View, seen: tuple[Service, ...]) -> Iterator[Finding]:
    """Services behind which nothing is ready."""
    yield from findings.cluster_gaps(view, "services", "slices", "pods")
    for service in seen:
        yield from findings.no_endpoints(view, service)


def show(params: Params, view: View, seen: tuple[Service, ...]) -> Shown:
    """One row a service."""
    return listing(view, "services", params.namespace, COLUMNS, tuple(_row(view, s) for s in seen))


def _row(view: View, service: Service) -> tuple[str, ...]:
    ips = ", ".join(service.cluster_ips) or (service.external_name if service.type == "ExternalName" else "None")
    ports = ", ".join(f"{p.port}/{p.protocol}" + (f":{p.node_port}" if p.node_port else "") for p in service.ports)
    return service.namespace, service.name, service.type, ips, ports or "-", _ready(view, service)


def _ready(view: View, service: Service) -> str:
    if findings.unread(view, "slices"):
        return "?"
    endpoints = findings.endpoints_of(view, service)
    return f"{len({_who(e) for e in endpoints if e.ready})}/{len({_who(e) for e in endpoints})}"


def _who(endpoint: Endpoint) -> tuple[str, ...]:
    """A pod is one endpoint, in however many address families."""
    return (endpoint.pod,) if endpoint.pod else endpoint.addresses


CHECK = Check(
    name="services",
    summary="The services of a namespace: type, cluster IPs, ports, ready endpoints",
    access=Access.READ,
    params=Params,
    plan=plan,
    judge=judge,
    show=show,
    examples=("services", "services in shop", "services in all"),
    aliases=("svc",),
)
