"""Asking from inside a pod: which pod, its network namespace, and its resolver. Shared by `dns`, `ping` and `connect`."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from node_helper.facts import dns, hosts, resolv_conf, sandbox
from node_helper.kernel import Netns
from node_helper.protocol import CannotLook
from workers import findings, locate
from workers.check import Ask, Plan, View, ask, batch
from workers.checks import _dns_judge
from workers.errors import UsageError
from workers.model import Evidence, Finding
from workers.objects import Pod
from workers.params import PodTarget

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NDOTS = re.compile(r"ndots:([0-9]{1,9})")
_LONGEST_NAME = 254  # characters with the last dot (RFC 1035 2.3.4)
METADATA = frozenset(
    ipaddress.ip_address(a)
    for a in (
        *("169.254.169.254", "169.254.170.2", "169.254.170.23", "100.100.100.200", "168.63.129.16", "192.0.0.192"),
        *("fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fe80::a9fe:a9fe"),
    )
)
"""Where clouds serve instance credentials (AWS, GCP, Azure, Alibaba, Oracle): never probed, whoever asks."""


@dataclass(frozen=True)
class Inside:
    """A pod's network namespace and resolver; `trouble` is what could not be seen, when something could not."""

    pod: Pod
    note: str = ""
    netns: Netns | None = None
    resolver: resolv_conf.ResolvConf | None = None
    trouble: tuple[str, CannotLook] | None = None

    def unseen(self, now: str) -> Iterator[Finding]:
        """The finding that the pod could not be entered."""
        if self.trouble:
            what, cannot = self.trouble
            yield findings.unknown(cannot, node=self.pod.node, what=what, now=now, subject=str(self.pod))


@dataclass(frozen=True)
class Resolved:
    """A host as the pod resolves it: the addresses, those of the pod's own IP families first, and every query made.

    `hosts` is what the pod's /etc/hosts says of it, None where it is an address; no DNS is asked for what stands there.
    """

    host: str
    addresses: tuple[str, ...]
    queries: tuple[tuple[str, str, dns.DnsAnswer | CannotLook], ...] = ()
    hosts: hosts.Hosts | CannotLook | None = None

    @property
    def note(self) -> str:
        """Where the addresses are from, if not from the DNS, or that this could not be seen; "" else."""
        if isinstance(self.hosts, CannotLook) or (self.hosts and self.hosts.source is None):
            return "The pod's /etc/hosts was not seen: its programs may find other addresses there."
        return f"{self.host} stands in the pod's /etc/hosts: no DNS was asked." if self.hosts and self.hosts.addresses else ""


def enter(view: View, target: PodTarget | None) -> Plan[Inside]:
    """Find the pod, its namespace and its resolv.conf. Raises `UsageError` where there is none."""
    located = locate.pod(view, target) if target else locate.Located(locate.any_pod(view))
    pod = located.pod
    note = located.note if target else f"Asked from {pod}, the first ready pod of namespace {view.namespace}."
    if not pod.node or not pod.ips or pod.phase != "Running":
        raise UsageError(
            f"Nothing can be asked from inside {pod}: its phase is {pod.phase} and its IP {', '.join(pod.ips) or 'none yet'}"
        )
    query = sandbox.Query(pod.uid, pod.name, pod.namespace, pod.host_network, pod.config_hash)
    place = yield from ask(pod.node, sandbox.FACT, query)
    if isinstance(place, CannotLook):
        return Inside(pod, note, trouble=("the pod's sandbox", place))
    if place.netns is None or place.pid is None:
        gone = CannotLook(f"no process and namespace of {pod} was found ({place.state})", kind="gone")
        return Inside(pod, note, trouble=("the pod's network namespace", gone))
    conf = yield from ask(pod.node, resolv_conf.FACT, resolv_conf.Query(place.pid))
    if isinstance(conf, CannotLook):
        return Inside(pod, note, place.netns, trouble=("the pod's resolv.conf", conf))
    return Inside(pod, note, place.netns, conf)


def resolve(inside: Inside, host: str) -> Plan[Resolved]:
    """The addresses of a host as the pod's own resolver finds them; an address is itself. Metadata addresses are refused."""
    if address := _address(host):
        _refuse_metadata(address)
        return Resolved(host, (str(address),))
    own = yield from ask(inside.pod.node, hosts.FACT, hosts.Query(_uids(inside.pod), host))
    known = own.addresses if isinstance(own, hosts.Hosts) else ()
    asked = Resolved(host, known) if known else (yield from _by_dns(inside, host))
    for text in asked.addresses:
        _refuse_metadata(ipaddress.ip_address(text))
    return replace(asked, addresses=_own_first(asked.addresses, inside.pod), hosts=own)


def _uids(pod: Pod) -> tuple[str, ...]:
    return tuple(uid for uid in (pod.uid, pod.config_hash) if uid)


def _by_dns(inside: Inside, host: str) -> Plan[Resolved]:
    if inside.netns is None or inside.resolver is None or not inside.resolver.nameservers:
        return Resolved(host, ())
    server = inside.resolver.nameservers[0]
    queries: list[tuple[str, str, dns.DnsAnswer | CannotLook]] = []
    for name in candidates(host, inside.resolver):
        asks = {t: Ask(inside.pod.node, dns.FACT, dns.Query(inside.netns, server, name, t)) for t in ("A", "AAAA")}
        answers = yield from batch(asks)
        queries += [(name, t, answer) for t, answer in answers.items()]
        found = tuple(
            r.data for a in answers.values() if isinstance(a, dns.DnsAnswer) for r in a.records if r.type in ("A", "AAAA")
        )
        if found:
            return Resolved(host, found, tuple(queries))
    return Resolved(host, (), tuple(queries))


def is_foreign(address: str, pod: Pod) -> bool:
    """Whether it is of an IP family in which the pod has no address: nothing that the pod sends can reach it."""
    return not any((":" in ip) == (":" in address) for ip in pod.ips)


def candidates(name: str, conf: resolv_conf.ResolvConf) -> tuple[str, ...]:
    """The names that the resolver tries, in order, each once (resolv.conf(5), search and ndots; res_search in glibc).

    A "." among the search domains stands for the name as it is, at that place.
    """
    if name.endswith("."):
        return (name,)
    searched = tuple(f"{name}.{domain.rstrip('.')}." if domain != "." else f"{name}." for domain in conf.search)
    searched = tuple(full for full in searched if len(full) <= _LONGEST_NAME)  # the C library does not ask these either
    as_is = (f"{name}.",)
    return tuple(dict.fromkeys(as_is + searched if name.count(".") >= ndots(conf) else searched + as_is))


def ndots(conf: resolv_conf.ResolvConf) -> int:
    """How many dots a name must have to be tried first as it is; the C library takes at most 15 (resolv.conf(5))."""
    said = filter(None, (_NDOTS.match(option) for option in reversed(conf.options)))
    return min(next((int(each[1]) for each in said), 1), 15)


def _own_first(found: tuple[str, ...], pod: Pod) -> tuple[str, ...]:
    """As getaddrinfo sorts them (RFC 6724, rule 1: avoid unusable destinations)."""
    return tuple(sorted(dict.fromkeys(found), key=lambda address: is_foreign(address, pod)))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _plain(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Whom the address reaches: the IPv4 address that it wraps (mapped, 6to4 of RFC 3056, NAT64 of RFC 6052), if it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    translated = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF) if address in _NAT64 else None
    return address.ipv4_mapped or address.sixtofour or translated or address


def _refuse_metadata(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    if _plain(address) in METADATA:
        raise UsageError(f"{address} serves the cloud's instance credentials; netcheck never sends anything there")


def not_resolved(inside: Inside, resolved: Resolved | None, now: str) -> Iterator[Finding]:
    """What the resolver's silence, failure or ignorance means, when no address came of it."""
    if resolved is None or resolved.addresses:
        return
    server = inside.resolver.nameservers[0] if inside.resolver and inside.resolver.nameservers else "none"
    told: dict[str, Finding] = {}
    for name, _type, answer in resolved.queries:
        for finding in _dns_judge.server(answer, server, name, inside.pod, now):
            told.setdefault(finding.id, finding)
    yield from told.values()
    if not told and inside.resolver:
        tried = "; ".join(f"{n} {t} {a.rcode}" for n, t, a in resolved.queries if isinstance(a, dns.DnsAnswer))
        yield _dns_judge.not_found(resolved.host, inside.pod, Evidence(f"DNS queries to {server}", tried or "no nameserver", now))
