"""What kube-proxy sets nf_conntrack_max to when it starts. Pure.

Sources: pkg/proxy/conntrack/sysctls.go and cmd/kube-proxy of Kubernetes; kubernetes/kubernetes#137002 (the limit since 1.36),
#103174, #120448 and #142035 (which versions leave a higher value alone). It is done once, at its start.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from node_helper.facts.kube_proxy import KubeProxy, Process
from workers.objects import ProxyConfig

PER_CORE, MINIMUM = 32_768, 131_072
"""What it takes for values that nobody gives (pkg/proxy/apis/config/v1alpha1/defaults.go)."""
LIMIT, LIMIT_SINCE = 1_048_576, (1, 36)
_RAISES_ONLY = ((1, 23), (1, 28))
_FLAG = re.compile(r"--?(?:kube-proxy-arg[= ])?(?:--)?(conntrack-max-per-core|conntrack-min)=([0-9]{1,10})")
_CONFIG = re.compile(r"--?(?:kube-proxy-arg[= ])?(?:--)?config(=|$)")
_VERSION = re.compile(r"v?([0-9]{1,3})\.([0-9]{1,3})\b")


@dataclass(frozen=True)
class Settings:
    """kube-proxy's own, and where they were found."""

    per_core: int
    minimum: int
    source: str


def settings(proxy: KubeProxy, config: ProxyConfig | None) -> Settings | str:
    """Those of the kube-proxy that runs on a node; a text says why they are not known, "" where none runs."""
    for process in proxy.processes:
        found = dict(_flags(process))
        if _has_config(process):  # then its other flags do not count
            return _configured(process, config)
        if found or process.name == "kube-proxy":
            return Settings(
                found.get("conntrack-max-per-core", PER_CORE),
                found.get("conntrack-min", MINIMUM),
                f"the command line of {process.name} ({process.pid})",
            )
        return f"{process.name} ({process.pid}) has kube-proxy inside, and does not show what it passes to it"
    return ""


def would_set(said: Settings, cpus: int, version: tuple[int, int] | None) -> int | None:
    """The value that its next start sets; None where it leaves nf_conntrack_max alone. Without a version, as before 1.36."""
    if said.per_core <= 0:
        return None
    scaled = said.per_core * cpus
    if version is not None and version >= LIMIT_SINCE and scaled > LIMIT:
        return LIMIT  # `min` does not count then
    return max(scaled, said.minimum) or None


def limited(said: Settings, cpus: int, version: tuple[int, int] | None) -> bool:
    """Whether versions before and since 1.36 differ here, and this one is not known to be newer."""
    now = would_set(said, cpus, version)
    return now is not None and now != would_set(said, cpus, LIMIT_SINCE)


def leaves_higher(version: tuple[int, int] | None) -> bool:
    """Whether all kube-proxies of this version leave a value that is higher than theirs."""
    return version is not None and _RAISES_ONLY[0] <= version <= _RAISES_ONLY[1]


def version_of(text: str) -> tuple[int, int] | None:
    """Major and minor of what Kubernetes calls its version; None for anything else."""
    match = _VERSION.match(text)
    return (int(match[1]), int(match[2])) if match else None


def _configured(process: Process, config: ProxyConfig | None) -> Settings | str:
    where = f"{process.name} ({process.pid}) reads a file of settings"
    if config is None:
        return f"{where}, and no ConfigMap kube-system/kube-proxy says what is in it"
    if config.unread:
        return f"{where}, and the ConfigMap kube-system/kube-proxy could not be read: {config.unread}"
    return Settings(
        PER_CORE if config.max_per_core is None else config.max_per_core,
        MINIMUM if config.minimum is None else config.minimum,
        f"the ConfigMap kube-system/kube-proxy ({config.key})",
    )


def _flags(process: Process) -> Iterator[tuple[str, int]]:
    for word in _spoken(process):
        if match := _FLAG.fullmatch(word):
            yield match[1], int(match[2])


def _has_config(process: Process) -> bool:
    return process.name == "kube-proxy" and any(_CONFIG.match(word) for word in _spoken(process))


def _spoken(process: Process) -> Iterator[str]:
    """The words, those of two (`--conntrack-min 5`, `--kube-proxy-arg conntrack-min=5`) as one as well."""
    yield from process.argv
    for one, two in zip(process.argv, process.argv[1:], strict=False):
        yield f"{one}={two}"
