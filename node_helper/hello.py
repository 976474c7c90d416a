"""What the helper says about itself and its node.

It looks at files only, which nothing changes: asking the kernel for a table that does not exist would make it.
"""

from __future__ import annotations

import os
import sys
from typing import Mapping, Optional

from node_helper.changes.installed import why_not
from node_helper.changes.paths import Paths
from node_helper.wire import Hello

VERSION = "0.1.0"
_PATHS = Paths()

_BACKENDS = {
    "conntrack": "/proc/sys/net/netfilter/nf_conntrack_max",
    "ipvs": "/proc/net/ip_vs",
    "nftables": "/sys/module/nf_tables",
}
_LISTED = {"iptables-legacy": "/proc/net/ip_tables_names", "ip6tables-legacy": "/proc/net/ip6_tables_names"}


def hello(schemas: Mapping[str, str], *, installed: bool) -> Hello:
    """The first line. A pushed helper offers no changes, ever."""
    return Hello(
        helper=VERSION,
        schemas=dict(schemas),
        hostname=os.uname().nodename,
        machine_id=_text("/etc/machine-id") or "",
        kernel=os.uname().release,
        python=".".join(map(str, sys.version_info[:3])),
        root=os.geteuid() == 0,
        installed=installed,
        changes=not why_not(_PATHS, installed=installed),
        backends=backends(),
        journal=recent(),
    )


def backends() -> dict[str, bool]:
    """Which parts of the kernel are in use here; a legacy table counts only when one exists."""
    there = {name: os.path.exists(path) for name, path in _BACKENDS.items()}
    return {**there, **{name: bool(_text(path)) for name, path in _LISTED.items()}}


def recent() -> tuple[str, ...]:
    """The latest changes that were made here, oldest first, each as nonce:state; ("damaged",) where that cannot be read."""
    if not os.path.exists(_PATHS.state) or os.geteuid() != _PATHS.owner:
        return ()
    from node_helper.changes import held, journal, standing

    try:
        now: Optional[held.Held] = held.now(_PATHS)
    except held.Unreadable:
        now = None
    try:
        return tuple(f"{done.nonce}:{done.state}" for done in standing.changes(_PATHS, now))
    except journal.Damaged:
        return ("damaged",)


def _text(path: str) -> Optional[str]:
    try:
        with open(path) as file:
            return file.read(4096).strip()
    except OSError:  # not there, or not for us: "not in use here" is what these files say by being absent
        return None
