"""The values that a command's words become: each is read by its `parse` and says itself again with `str`.

Parameters travel as words in job records, the worker reads them again by the same rules, and nothing unparsed reaches a node.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Self

from workers.errors import UsageError, shown

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_CLUSTER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,252}")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_SELECTOR = re.compile(r"[A-Za-z0-9./_-]{1,317}=[A-Za-z0-9._-]{0,63}(,[A-Za-z0-9./_-]{1,317}=[A-Za-z0-9._-]{0,63})*")
_SPACE = "metadata.namespace="
"""As in kubectl's field selectors: pods of one namespace, whatever else a selector wants."""
_DNS_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DNS_NAME = re.compile(rf"(?=.{{1,254}}$)({_DNS_LABEL}\.)*{_DNS_LABEL}\.?")
_DOTTED = re.compile(r"[0-9]+(\.[0-9]+){3}")
_DURATION = re.compile(r"([0-9]{1,11})(ms|s|m|h|d)?")
_YEAR_S = 365 * 86400
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_KINDS = {
    "po": "pod", "pod": "pod", "pods": "pod", "no": "node", "node": "node", "nodes": "node", "svc": "svc", "service": "svc",
    "services": "svc", "deploy": "deploy", "deployment": "deploy", "rs": "rs", "replicaset": "rs", "sts": "sts",
    "statefulset": "sts", "ds": "ds", "daemonset": "ds", "job": "job",
}  # fmt: skip
ALL = "all"
WORKLOADS = {"deploy": "Deployment", "rs": "ReplicaSet", "sts": "StatefulSet", "ds": "DaemonSet", "job": "Job"}


@dataclass(frozen=True)
class Target:
    """What a person named: `kind` is "" (find out), pod, node, svc, a workload's short name, selector or ip."""

    kind: str
    name: str
    namespace: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """`name`, `namespace/name`, `kind/name`, both in either order before the name, `key=value[,...]`, an IP address.

        Among the pairs of a selector may be metadata.namespace=NAMESPACE, for a slash belongs to the names of labels.
        """
        if _is_ip(_unbracketed(text)):
            return cls("ip", str(ipaddress.ip_address(_unbracketed(text))))
        if _DOTTED.fullmatch(text):
            raise UsageError(f"{shown(text)} is not an IPv4 address: each of its four numbers is from 0 to 255")
        if _SELECTOR.fullmatch(text):
            return cls._selected(text.split(","))
        *before, name = text.lower().split("/")
        if not _NAME.fullmatch(name):
            raise UsageError(f"{shown(text)} is not a name, namespace/name, selector (app=web), workload (deploy/web) or IP")
        kind, spaces = _kind_and_namespaces(before)
        if len(spaces) > 1:
            raise UsageError(f"{shown(text)} has too many slashes; say namespace/name or namespace/kind/name")
        if not all(_LABEL.fullmatch(s) for s in spaces):
            raise UsageError(f"{shown(text)}: {shown(spaces[0])} is not a valid namespace")
        return cls(kind, name, spaces[0] if spaces else None)

    @classmethod
    def _selected(cls, pairs: list[str]) -> Self:
        spaces = [pair.removeprefix(_SPACE) for pair in pairs if pair.startswith(_SPACE)]
        labels = [pair for pair in pairs if not pair.startswith(_SPACE)]
        if not labels or len(spaces) > 1:
            raise UsageError(f"{shown(','.join(pairs))} is no selector: it names labels, and at most one {_SPACE}NAMESPACE")
        return cls("selector", ",".join(labels), Namespace.parse(spaces[0]).name if spaces else None)

    def __str__(self) -> str:
        if self.kind == "selector":
            return ",".join([self.name, *([f"{_SPACE}{self.namespace}"] if self.namespace else [])])
        if self.kind == "ip":
            return self.name
        return "/".join(part for part in (self.namespace, self.kind, self.name) if part)


class PodTarget(Target):
    """A target that must mean one pod."""


class NodeTarget(Target):
    """A target that must mean one node."""


class ServiceTarget(Target):
    """A target that must mean one service."""


class ServiceOrNodeTarget(Target):
    """A target that must mean one service or one node."""


class NodeOrPodTarget(Target):
    """A target that must mean one node or one pod."""


@dataclass(frozen=True)
class Namespace:
    """A namespace, or "all" of them."""

    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """A DNS label (RFC 1123) or `all`."""
        if not _LABEL.fullmatch(text.lower()):
            raise UsageError(f"{shown(text)} is not a namespace")
        return cls(text.lower())

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class ClusterName:
    """The name under which a cluster is configured."""

    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """What kubeconfig contexts and cloud providers use: letters, digits and `. _ - : / @`."""
        if not _CLUSTER.fullmatch(text):
            raise UsageError(f"{shown(text)} is not the name of a cluster")
        return cls(text)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class DnsName:
    """A name to be resolved; a trailing dot means that the search path is not tried."""

    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Letters, digits, `-` and `_` in labels of at most 63, 253 in all (RFC 1035 2.3.4), or an IP address."""
        text = _unbracketed(text)
        if not _is_ip(text) and not _DNS_NAME.fullmatch(text):
            raise UsageError(f"{shown(text)} is not a host name")
        return cls(text)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class HostPort:
    """A host name or address with a port: `host:80`, `[fd00::1]:80`."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """The port is required, and so are the brackets of an IPv6 address: without them it has no telling end."""
        if text.count(":") > 1 and not text.startswith("["):
            raise UsageError(f"{shown(text)} could end in a port or not", nearest=_bracketed(text))
        host, _, port = text.rpartition(":")
        host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        if not re.fullmatch("[0-9]{1,5}", port) or not 0 < int(port) < 1 << 16:
            raise UsageError(f"{shown(text)} is not HOST:PORT, with a port from 1 to 65535")
        return cls(DnsName.parse(host).name, int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Address:
    """An IPv4 or IPv6 address."""

    ip: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Any spelling that RFC 4291 allows, also in brackets."""
        text = _unbracketed(text)
        if not _is_ip(text):
            raise UsageError(f"{shown(text)} is not an IP address")
        return cls(str(ipaddress.ip_address(text)))

    def __str__(self) -> str:
        return self.ip


@dataclass(frozen=True)
class Duration:
    """A time span in seconds."""

    seconds: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """`30s`, `2m`, `1h`, `7d`, `500ms`; a bare number is seconds."""
        match = _DURATION.fullmatch(text.lower())
        if not match:
            raise UsageError(f"{shown(text)} is not a duration such as 30s, 2m or 1h")
        seconds = int(match[1]) * _UNIT_S[match[2] or "s"]
        if seconds > _YEAR_S:
            raise UsageError(f"{shown(text)} is longer than a year")
        return cls(seconds)

    def __str__(self) -> str:
        for unit in ("d", "h", "m"):
            if self.seconds >= _UNIT_S[unit] and self.seconds % _UNIT_S[unit] == 0:
                return f"{self.seconds / _UNIT_S[unit]:.0f}{unit}"
        return f"{self.seconds:.0f}s" if self.seconds.is_integer() else f"{self.seconds * 1000:.0f}ms"


def is_selector(text: str) -> bool:
    """Whether it is `key=value`, or several with commas."""
    return bool(_SELECTOR.fullmatch(text))


def _kind_and_namespaces(before: list[str]) -> tuple[str, list[str]]:
    """`namespace/kind/` as the API writes it, or `kind/namespace/` as people do."""
    if before and before[-1] in _KINDS:
        return _KINDS[before[-1]], before[:-1]
    if before and before[0] in _KINDS:
        return _KINDS[before[0]], before[1:]
    return "", before


def _unbracketed(text: str) -> str:
    """An IPv6 address without the brackets in which links and ports need it."""
    return text[1:-1] if text.startswith("[") and text.endswith("]") and ":" in text else text


def _bracketed(text: str) -> tuple[str, ...]:
    """How an IPv6 address and a port that were written together could have been meant."""
    host, _, port = text.rpartition(":")
    return (*([f"[{host}]:{port}"] if _is_ip(host) and port.isdigit() else []), *([f"[{text}]:80"] if _is_ip(text) else []))


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text
