"""Runs in a guest that has loaded nothing: every fact is asked, and what the kernel has before and after each is printed."""

from __future__ import annotations

import json
import sys
from itertools import product
from typing import Any, Literal

from node_helper import facts
from node_helper.facts import (
    all_rules,
    chain_names,
    chain_rules,
    connect,
    conntrack,
    conntrack_entry,
    conntrack_events,
    dns,
    dns_pair,
    hosts,
    interfaces,
    ipvs,
    ipvs_connections,
    kube_proxy,
    neighbours,
    netstat,
    node_summary,
    ping,
    raw,
    redirects,
    resolv_conf,
    route_to,
    routes,
    rules_text,
    sandbox,
    service_rules,
    sockets,
    sysctl_files,
    sysctls,
)
from node_helper.linux import Linux
from node_helper.netfilter.records import Destination
from node_helper.protocol import CannotLook, Fact
from node_helper.stop import Stop
from tests.node_state import state

_SECONDS = 20.0
_HERE = "127.0.0.1"
_BACKENDS: tuple[Literal["iptables-nft", "iptables-legacy", "nftables"], ...] = ("iptables-nft", "iptables-legacy", "nftables")
_FAMILIES: tuple[Literal["ip", "ip6"], ...] = ("ip", "ip6")
_RAW: tuple[Literal["addr", "route", "neigh", "sockets"], ...] = ("addr", "route", "neigh", "sockets")


def questions(kernel: Linux) -> dict[str, list[Any]]:
    """Those of each fact; a fact that is not named has none to choose from."""
    here = kernel.own_netns()
    uid = "5b446dd7-0000-4000-8000-000000000001"
    rules = tuple(product(_BACKENDS, _FAMILIES))
    service = Destination("10.96.0.1", 443, "tcp")
    return {
        **{name: [fact.query()] for name, fact in facts.catalogue().items() if not fact.query.__dataclass_fields__},
        "all_rules": [all_rules.Query(backend, family) for backend, family in rules],
        "chain_names": [chain_names.Query(backend, family, "filter") for backend, family in rules],
        "chain_rules": [chain_rules.Query(backend, family, "filter", "FORWARD") for backend, family in rules],
        "connect": [connect.Query(here, _HERE, 9)],
        "conntrack": [conntrack.Query()],
        "conntrack_entry": [conntrack_entry.Query(_HERE, _HERE, "tcp", 1, 2)],
        "conntrack_events": [conntrack_events.Query(0.2)],
        "dns": [dns.Query(here, _HERE, "example.com", transport=way, seconds=0.2) for way in ("udp", "tcp")],
        "dns_pair": [dns_pair.Query(here, _HERE, "example.com", seconds=0.2)],
        "hosts": [hosts.Query((uid,), "example.com")],
        "interfaces": [interfaces.Query(here)],
        "ipvs": [ipvs.Query(listing=True)],
        "ipvs_connections": [ipvs_connections.Query(most=10)],
        "kube_proxy": [kube_proxy.Query()],
        "neighbours": [neighbours.Query(here)],
        "netstat": [netstat.Query()],
        "node_summary": [node_summary.Query()],
        "ping": [ping.Query(here, address, 1) for address in (_HERE, "::1")],
        "raw": [raw.Query(here, what) for what in _RAW],
        "redirects": [redirects.Query(here)],
        "resolv_conf": [resolv_conf.Query(1)],
        "route_to": [route_to.Query(_HERE)],
        "routes": [routes.Query(here)],
        "rules_text": [rules_text.Query(backend, family) for backend, family in rules],
        "sandbox": [sandbox.Query(uid, "pod", "default")],
        "service_rules": [service_rules.Query(backend, family, (service,)) for backend, family in rules],
        "sockets": [sockets.Query(here)],
        "sysctl_files": [sysctl_files.Query("net.netfilter.nf_conntrack_max")],
        "sysctls": [sysctls.Query()],
    }


def asked(fact: Any, query: Any) -> str:
    """How it went."""
    kernel = Linux(Stop(_SECONDS))
    try:
        if isinstance(fact, Fact):
            fact.collect(kernel, query)
        else:
            list(fact.rows(kernel, query))
    except CannotLook as error:
        return error.kind
    return "answered"


def main() -> None:
    kernel = Linux(Stop(_SECONDS))
    every, chosen = facts.catalogue(), questions(kernel)
    before = state("")
    went = {name: [asked(fact, query) for query in chosen.get(name, ())] for name, fact in every.items()}
    json.dump({"before": before, "went": went, "after": state("")}, sys.stdout)


if __name__ == "__main__":
    main()
