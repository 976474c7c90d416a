"""Whether a kernel module is there when the files of sysctl.d are applied: settings of one that is not are passed over. Pure.

Source: sysctl.d(5), "Apply settings available only when a certain module is loaded"; modules-load.d(5).
"""

from __future__ import annotations

import re
from typing import Iterator

from node_helper import config_file
from node_helper.kernel import Kernel

_FOLDERS = ("/etc/modules-load.d", "/run/modules-load.d", "/usr/local/lib/modules-load.d", "/usr/lib/modules-load.d")
_DEBIANS = "/etc/modules"
_RULES = "/etc/udev/rules.d"
_MOST_BYTES = 1 << 20
_CONNTRACK = "nf_conntrack"
_BRINGS_IT = re.compile(
    r"(?:nf_conntrack|nf_nat|nf_flow_table|ip_vs|nft_ct|xt_conntrack|xt_CT|iptable_nat|ip6table_nat|openvswitch)\w*"
)
"""Modules of connection tracking, and the usual ones that need it and so load it."""


def late(kernel: Kernel, key: str) -> str:
    """The module without which the setting does not exist, where nothing that can be seen loads it early; "" else."""
    if not key.startswith(f"net/netfilter/{_CONNTRACK}") or not _is_module(kernel):
        return ""
    return "" if any(_BRINGS_IT.fullmatch(name) for name in _loaded_early(kernel)) or _by_udev(kernel) else _CONNTRACK


def _is_module(kernel: Kernel) -> bool:
    """One that is not listed is part of the kernel, or not loaded now: then the setting is not there at all."""
    return f"\n{_CONNTRACK} " in "\n" + (kernel.read("/proc/modules", _MOST_BYTES) or "")


def _loaded_early(kernel: Kernel) -> Iterator[str]:
    paths = [f"{folder}/{name}" for folder in _FOLDERS for name in kernel.names_in(folder) if name.endswith(".conf")]
    for path in (*paths, _DEBIANS):
        for line in config_file.text(kernel, path).splitlines():
            words = line.split()
            if words and words[0][0] not in "#;":
                yield words[0].replace("-", "_")


def _by_udev(kernel: Kernel) -> bool:
    """Whether a rule applies the settings when the module comes, however late that is."""
    return any(_CONNTRACK in config_file.text(kernel, f"{_RULES}/{name}") for name in kernel.names_in(_RULES))
