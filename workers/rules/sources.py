"""Whether a rule's networks of senders hold a packet's: as sources are kinds, only rules of kube-proxy's tell."""

from __future__ import annotations

import ipaddress

from workers.rules.steps import Act, Jump, Masquerade, Pass, Source, Step, Test, Unread

_LEADS_BY_SOURCE = ("KUBE-", "service-", "mark-for-masquerade")


def networks(value: str) -> list[str]:
    """Those of a list, as text."""
    return [net.strip() for net in value.split(",")]


def holds(source: Source, test: Test, step: Step) -> bool | Unread:
    """What a test of FROM or ADMITTED asks, before it is negated.

    Of kube-proxy's rules a network that is not one host's is the pods'; one host's is the endpoint's own, which is somebody else.
    Whom the networks of other rules hold is not known; but most of what is outside the cluster is in none of them.
    """
    if any("-" in net for net in networks(test.value)):  # from one address to another
        return Unread(test.value)
    found = [ipaddress.ip_network(net, strict=False) for net in networks(test.value)]
    if any(net.prefixlen == 0 for net in found):
        return True
    if not all(map(_of_kube_proxy, step.acts)):
        return False if test.negated and source is Source.OUTSIDE else Unread(f"source {test.value}")
    return source is Source.POD and any(net.prefixlen < net.max_prefixlen and not net.is_loopback for net in found)


def _of_kube_proxy(act: Act) -> bool:
    """Whether it writes rules that do this with packets of some sources."""
    return isinstance(act, Masquerade | Pass) or (isinstance(act, Jump) and act.chain.startswith(_LEADS_BY_SOURCE))
