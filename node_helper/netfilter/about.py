"""Which rules of a long chain are about a destination, without decoding the others; where rules lead, and which are met."""

from __future__ import annotations

import re
import socket
from collections import deque
from typing import Iterable, Iterator, Optional, Sequence

from node_helper.netfilter.records import Destination, Rule

NODE_PORTS = "KUBE-NODEPORTS"
"""The chain to which kube-proxy's rules lead for each of the node's addresses that takes node ports."""
NODE_PORT_ADDRESSES = "nodeport-ips"
"""The set of the same addresses in its nftables mode."""
_TO = re.compile(r"(?:^| )-d (\S+)/(?:32|128)(?= |$)")
_PORT = re.compile(r" --dport ([0-9]+)(?= |$)")
_PROTOCOL = re.compile(r"(?:^| )-p (\S+)")
_TARGET = re.compile(r"(?:^| )-[jg] ([^\s\"]+)")
_NFT_TARGET = re.compile(r"\b(?:jump|goto) ([^\s,}]+)")
_ENDS = frozenset({"ACCEPT", "DROP", "RETURN", "QUEUE"})
_COMMENT = r'(?:-m comment --comment (?:"(?:[^"\\]|\\.)*"|\S+) )?'
_UNCONDITIONAL = re.compile(
    rf"{_COMMENT}-(?:j (?:{'|'.join(sorted(_ENDS))}|NFQUEUE|REJECT|DNAT|REDIRECT|SNAT|MASQUERADE)(?: -.*)?|g \S+)"
    r"|(?:counter(?: packets \d+ bytes \d+)? )?(?:accept|drop|return|reject\b.*|goto \S+)(?: comment \".*\")?"
)
"""A rule of iptables or a line of nft at which every packet ends."""
_LOADS_DESTINATION = {
    socket.AF_INET: bytes.fromhex("08000200000000010800030000000010"),
    socket.AF_INET6: bytes.fromhex("08000200000000010800030000000018"),
}
"""NFTA_PAYLOAD_BASE and NFTA_PAYLOAD_OFFSET of the destination address."""


class About:
    """Some destinations, and whether rules concern them."""

    def __init__(self, only: Sequence[Destination], family: int) -> None:
        self._only = only
        self.node_ports = any(not one.address for one in only)
        mine = {one.address for one in only if one.address and (":" in one.address) == (family == socket.AF_INET6)}
        self._packed = tuple(socket.inet_pton(family, each) for each in mine)
        self._loads = _LOADS_DESTINATION[socket.AddressFamily(family)]

    def may_concern(self, rule: bytes) -> bool:
        """Whether a rule's bytes could: those of another destination address cannot."""
        if self.node_ports and NODE_PORTS.encode() in rule:
            return True
        return self._loads not in rule or any(packed in rule for packed in self._packed)

    def to(self, parts: bytes) -> bool:
        """Whether a legacy entry's destination, source mask and destination mask leave room for one of them."""
        size = len(parts) // 3
        return parts[:size] in self._packed or parts[2 * size :] != b"\xff" * size

    def concerns(self, spec: str) -> bool:
        """Whether an iptables rule's words leave room for one of the destinations; of node ports the address may be any."""
        if self.node_ports and leads_to(spec) == NODE_PORTS:
            return True
        to, port, protocol = (_only(form, spec) for form in (_TO, _PORT, _PROTOCOL))
        return any(
            to in (None, one.address) and port in (None, str(one.port)) and protocol in (None, one.protocol) for one in self._only
        )


def _only(form: re.Pattern[str], spec: str) -> Optional[str]:
    """What a rule demands; None where it demands nothing, or something else than this."""
    found = form.search(spec)
    if found is None or spec[: found.start() + 1].rstrip().endswith("!"):
        return None
    return found[1]


def leads_to(spec: str) -> Optional[str]:
    """The chain, or the target that is none, at the end of an iptables rule."""
    last = deque(_TARGET.finditer(spec), maxlen=1)
    return None if not last or last[0][1] in _ENDS else last[0][1]


def leads(rule: Rule) -> list[str]:
    """The same, as none or one."""
    found = leads_to(rule.spec)
    return [] if found is None else [found]


def met(rules: Iterable[Rule]) -> Iterator[Rule]:
    """The rules of a chain that a packet can come to: those up to the first that has no condition and ends the chain."""
    for rule in rules:
        yield rule
        if not rule.unread and _UNCONDITIONAL.fullmatch(rule.spec):
            return


def nft_leads_to(line: str) -> list[str]:
    """Every chain that a line of nft names."""
    return _NFT_TARGET.findall(line)
