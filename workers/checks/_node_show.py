"""How the `node` check shows what it saw: one page, and the `facts` of the JSON interface."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from node_helper import codec
from node_helper.facts.backends import Backends
from node_helper.facts.devices import Device, Devices
from node_helper.facts.kube_proxy import KubeProxy
from node_helper.facts.sysctls import Sysctls
from node_helper.programs import Programs
from node_helper.records import Counters
from workers.check import Samples, View
from workers.checks import _node_drops, _node_proxy
from workers.checks._node_seen import Counted, Seen, in_kernel, mode
from workers.model import Shown, Table

_KEYS = (
    "net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding", "net/ipv4/conf/all/rp_filter", "net/bridge/bridge-nf-call-iptables",
    "net/bridge/bridge-nf-call-ip6tables", "net/ipv4/ip_local_port_range", "net/core/somaxconn", "net/core/netdev_max_backlog",
    "net/core/rmem_max", "net/netfilter/nf_conntrack_max", "net/netfilter/nf_conntrack_buckets",
    "net/netfilter/nf_conntrack_tcp_be_liberal", "net/netfilter/nf_conntrack_tcp_timeout_established",
    "net/netfilter/nf_conntrack_udp_timeout",
)  # fmt: skip
_COUNTERS = (
    "IpForwDatagrams", "IpFragFails", "IpFragCreates", "IpOutNoRoutes", "IpInAddrErrors", "TcpRetransSegs",
    "TcpExtListenOverflows", "TcpExtListenDrops", "TcpExtIPReversePathFilter", "TcpExtTCPTimeouts", "UdpRcvbufErrors",
    "UdpInCsumErrors", "UdpNoPorts", "Udp6RcvbufErrors", "Ip6OutForwDatagrams", "Ip6FragFails",
)  # fmt: skip
_DEVICES = ("device", "kind", "MTU", "state", "packets in/out", "dropped in/out", "while looking")
_DEVICES_SHOWN = 20


def show(params: object, view: View, seen: Seen) -> Shown:  # noqa: ARG001  (every show has this shape)
    """Everything that was seen of one node."""
    tables = (_node(seen), _movers(seen), *_settings(seen), *_counted(seen), *_devices(seen))
    return Shown(seen.node.name, _facts(seen), tables)


def _node(seen: Seen) -> Table:
    node = seen.node
    rows = [("node", node.name), ("Kubernetes", "Ready" if node.ready else f"not ready {node.reason}".strip())]
    rows += [("troubles", ", ".join(node.troubles))] if node.troubles else []
    rows += [("addresses", ", ".join(node.addresses)), ("pod CIDRs", ", ".join(node.pod_cidrs) or "none")]
    return Table("Node", (*rows, ("kernel", node.kernel or "unknown"), ("runtime", node.runtime or "unknown")))


def _movers(seen: Seen) -> Table:
    rows: list[tuple[str, str]] = []
    proxy, programs = seen.settings.kube_proxy, seen.settings.dataplane
    if isinstance(proxy, KubeProxy):
        ran = ", ".join(f"{p.name}, pid {p.pid}" for p in proxy.processes)
        rows += [
            ("kube-proxy", ran or "no process seen"),
            ("its health", _health(proxy)),
            ("its mode, as it says", mode(seen) or "not told"),
        ]
        rows += [("last sync", f"{s.now - s.synced:.0f} s ago" if s.synced else "never") for s in _node_proxy.syncs(proxy)]
    rows += (
        [("its rules, in the kernel", _in_kernel(seen.settings.backends))] if isinstance(seen.settings.backends, Backends) else []
    )
    if isinstance(programs, Programs):
        found = "; ".join(f"{place}: {what}" for place, what in _node_proxy.grouped(programs.programs).items())
        rows += [("eBPF programs", found or "none on devices and the root cgroup")]
    forward = seen.counted.forward if seen.counted else None
    if isinstance(forward, Samples):
        said = ", ".join(f"{c.policy} ({c.family} {c.table})" for c in forward.second.chains)
        rows += [("FORWARD policies", said or "none: nothing filters here")]
    return Table("Who moves its packets", tuple(rows))


def _in_kernel(found: Backends) -> str:
    return ", ".join(in_kernel(found)) or "none of kube-proxy's"


def _health(proxy: KubeProxy) -> str:
    if proxy.health.outcome != "answered":
        return proxy.health.outcome
    return f"{'well' if proxy.health.status == 200 else 'not well'}, HTTP {proxy.health.status}"  # noqa: PLR2004  (OK)


def _settings(seen: Seen) -> Iterator[Table]:
    if isinstance(seen.settings.sysctls, Sysctls):
        known = [(key.replace("/", "."), seen.value(key) or "not shown here") for key in _KEYS]
        yield Table("Settings", tuple(known))


def _counted(seen: Seen) -> Iterator[Table]:
    if seen.counted is None:
        return
    rows = [*_fills(seen.counted), *_counters(seen.counted)]
    yield Table("Fills and counters", tuple(rows))


def _fills(counted: Counted) -> Iterator[tuple[str, str]]:
    if isinstance(counted.conntrack, Samples):
        now = counted.conntrack.second
        yield "conntrack", f"{now.count} of {now.maximum}" if now.in_use else "not in use here"
    if isinstance(counted.neighbours, Samples):
        for table in counted.neighbours.second.tables:
            apart = f", {table.exempt} of them exempt" if table.exempt else ""
            told = "refusals not counted by this kernel" if table.table_fulls is None else f"{table.table_fulls} refused"
            yield table.name, f"{table.entries} of {table.thresholds[-1]} (of all namespaces{apart}), {told}"
    if isinstance(counted.softnet, Samples):
        drops, squeezed = _node_drops.dropped(counted)
        total = sum(cpu.dropped for cpu in counted.softnet.second.cpus)
        yield "softnet drops", f"{total}, +{drops} while looking; +{squeezed} out of budget"


def _counters(counted: Counted) -> Iterator[tuple[str, str]]:
    if isinstance(counted.netstat, Samples):
        rose, now = _node_drops.risen(counted, *_COUNTERS), counted.netstat.second.counters
        for name in _COUNTERS:
            if now.get(name):
                yield name, f"{now[name]}, +{rose.get(name, 0)} in {counted.netstat.apart:.1f} s"


def _devices(seen: Seen) -> Iterator[Table]:
    """The pods' own devices in one row: there may be hundreds of them."""
    counted = seen.counted.devices if seen.counted else None
    if not isinstance(counted, Samples):
        return
    before = {d.link.ifindex: d for d in counted.first.devices}
    own = [d for d in seen.devices if not _of_pod(seen, d)]
    pods = [d for d in seen.devices if _of_pod(seen, d)]
    rows = [_row(d, before.get(d.link.ifindex, d)) for d in own[:_DEVICES_SHOWN]]
    if len(own) > _DEVICES_SHOWN:
        rows.append((f"and {len(own) - _DEVICES_SHOWN} more", "", "", "", "", "", ""))
    if pods:
        mtus = ", ".join(str(m) for m in sorted({d.link.mtu for d in pods}))
        lost = [sum(d.link.counters.rx_dropped for d in pods), sum(d.link.counters.tx_dropped for d in pods)]
        up = sum(d.link.state == "up" for d in pods)
        rows.append((f"{len(pods)} of pods", "veth", mtus, f"{up} up", "", f"{lost[0]}/{lost[1]}", ""))
    yield Table("Devices", tuple(rows), _DEVICES)


def _of_pod(seen: Seen, device: Device) -> bool:
    return device.link.kind == "veth" and device.link.link_netnsid is not None and device not in seen.uplinks


def _row(now: Device, before: Device) -> tuple[str, ...]:
    c, b = now.link.counters, before.link.counters
    return (
        now.link.name,
        now.link.kind or "-",
        str(now.link.mtu),
        now.link.state,
        f"{c.rx_packets}/{c.tx_packets}",
        f"{c.rx_dropped}/{c.tx_dropped}",
        "/".join(f"+{risen}" for risen in _drops(c, b)),
    )


def _drops(now: Counters, before: Counters) -> tuple[int, int]:
    """Of received and of sent; 0 where the device began to count anew in between."""
    return max(0, now.rx_dropped - before.rx_dropped), max(0, now.tx_dropped - before.tx_dropped)


def _facts(seen: Seen) -> dict[str, Any]:
    """The `facts` of `node` in the JSON interface; null where it could not be seen."""
    node, counted, settings = seen.node, seen.counted, seen.settings
    proxy = settings.kube_proxy
    return {
        "node": node.name,
        "ready": node.ready,
        "reason": node.reason or None,
        "conditions": list(node.troubles),
        "addresses": list(node.addresses),
        "pod_cidrs": list(node.pod_cidrs),
        "kernel": node.kernel,
        "runtime": node.runtime,
        "sysctls": settings.sysctls.values if isinstance(settings.sysctls, Sysctls) else None,
        "kube_proxy": {
            "mode": mode(seen) or None,
            "health": _health(proxy),
            "processes": [p.pid for p in proxy.processes],
            "process_names": [p.name for p in proxy.processes],
            "synced_s_ago": [round(s.now - s.synced, 1) if s.synced else None for s in _node_proxy.syncs(proxy)],
        }
        if isinstance(proxy, KubeProxy)
        else None,
        "backends": list(in_kernel(settings.backends)) if isinstance(settings.backends, Backends) else None,
        "programs": codec.encode(settings.dataplane.programs) if isinstance(settings.dataplane, Programs) else None,
        "forward": codec.encode(counted.forward.second.chains) if counted and isinstance(counted.forward, Samples) else None,
        "neighbour_tables": codec.encode(counted.neighbours.second.tables)
        if counted and isinstance(counted.neighbours, Samples)
        else None,
        "devices": _device_facts(seen, counted.devices) if counted and isinstance(counted.devices, Samples) else None,
        "conntrack": _conntrack_facts(counted),
        "softnet": _softnet_facts(counted),
        "counters": dict(counted.netstat.second.counters) if counted and isinstance(counted.netstat, Samples) else None,
        "risen": _risen(counted) if counted and isinstance(counted.netstat, Samples) else None,
        "apart_s": round(counted.netstat.apart, 3) if counted and isinstance(counted.netstat, Samples) else None,
    }


def _conntrack_facts(counted: Counted | None) -> dict[str, Any] | None:
    if counted is None or not isinstance(counted.conntrack, Samples):
        return None
    now = counted.conntrack.second
    return {"in_use": now.in_use, "count": now.count, "maximum": now.maximum}


def _softnet_facts(counted: Counted | None) -> dict[str, int] | None:
    """What the processors dropped since their start, and while looking; `squeezed`: out of budget."""
    if counted is None or not isinstance(counted.softnet, Samples):
        return None
    dropped, squeezed = _node_drops.dropped(counted)
    total = sum(cpu.dropped for cpu in counted.softnet.second.cpus)
    return {"dropped": total, "dropped_risen": dropped, "squeezed_risen": squeezed}


def _risen(counted: Counted) -> dict[str, int]:
    names = counted.netstat.second.counters if isinstance(counted.netstat, Samples) else {}
    return _node_drops.risen(counted, *names)


def _device_facts(seen: Seen, sampled: Samples[Devices]) -> list[dict[str, Any]]:
    before = {d.link.ifindex: d for d in sampled.first.devices}
    return [_device(d, before.get(d.link.ifindex, d)) for d in seen.devices]


def _device(device: Device, before: Device) -> dict[str, Any]:
    link, was = device.link, before.link.counters
    risen = dict(zip(("rx", "tx"), _drops(link.counters, was), strict=True))
    facts = {"name": link.name, "ifindex": link.ifindex, "kind": link.kind, "mtu": link.mtu, "state": link.state}
    return {**facts, "addresses": list(device.addresses), "counters": codec.encode(link.counters), "dropped_risen": risen}
