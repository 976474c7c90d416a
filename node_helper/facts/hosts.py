"""The addresses that a pod's /etc/hosts has for a name: the C library looks there before it asks any DNS (hosts(5)).

The kubelet writes the file, with the pod's hostAliases, and mounts it into every container but the sandbox's own.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Iterator, Optional

from node_helper.facts.sandbox import UID
from node_helper.kernel import Kernel
from node_helper.protocol import Fact

_KUBELETS = (
    "/var/lib/kubelet",
    "/var/lib/k0s/kubelet",
    "/var/snap/microk8s/common/var/lib/kubelet",
    "/var/snap/k8s/common/var/lib/kubelet",  # Canonical Kubernetes
)
_LIMIT = 1 << 16


@dataclass(frozen=True)
class Query:
    """The pod by the UIDs that its kubelet may know it by, and the name as it is asked for: a dot at its end makes it another."""

    uids: tuple[str, ...]
    name: str

    def __post_init__(self) -> None:
        for uid in self.uids:
            if not UID.fullmatch(uid):
                raise ValueError(f"{uid[:80]!r} is no UID of a pod")


@dataclass(frozen=True)
class Hosts:
    """The addresses in the order of the file; `source` is the file, None where the kubelet keeps none that is seen here."""

    addresses: tuple[str, ...]
    source: Optional[str]


def collect(kernel: Kernel, query: Query) -> Hosts:
    """Read the first file that is there; what containers wrote into it is hostile."""
    for source in (f"{kubelet}/pods/{uid}/etc-hosts" for kubelet in _KUBELETS for uid in query.uids):
        text = kernel.read(source, _LIMIT)
        if text is not None:
            return Hosts(tuple(dict.fromkeys(parse(text, query.name))), source)
    return Hosts((), None)


def parse(text: str, name: str) -> Iterator[str]:
    """The addresses of lines that hold the name, as it is or as an alias; capitals do not matter (nss_files in glibc)."""
    for line in text.split("\n"):
        words = line.partition("#")[0].split()
        if name.lower() in (word.lower() for word in words[1:]):
            try:
                yield str(ipaddress.ip_address(words[0]))
            except ValueError:
                continue


FACT = Fact(name="hosts", query=Query, answer=Hosts, collect=collect)
