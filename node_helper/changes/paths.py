"""Where all of it stands on a node. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Paths:
    """`root` is "" but in tests. `owner` must own whatever is believed: root, but in tests. `keygen` verifies signatures."""

    root: str = ""
    owner: int = 0
    keygen: str = "/usr/bin/ssh-keygen"

    @property
    def identity(self) -> str:
        """Which cluster and node this is: {"cluster": ..., "node": ...}."""
        return f"{self.root}/etc/netcheck/node.json"

    @property
    def signers(self) -> str:
        """Whose signatures count (ssh-keygen(1), ALLOWED SIGNERS)."""
        return f"{self.root}/etc/netcheck/allowed_signers"

    @property
    def machine_id(self) -> str:
        """See machine-id(5)."""
        return f"{self.root}/etc/machine-id"

    @property
    def state(self) -> str:
        """The journal, the lock, and what armed undos need; root's alone."""
        return f"{self.root}/var/lib/netcheck-changes"

    @property
    def file(self) -> str:
        """The one file that we write among the node's own (sysctl.d(5))."""
        return f"{self.root}/etc/sysctl.d/90-netcheck.conf"

    @property
    def value(self) -> str:
        """The conntrack table's limit."""
        return f"{self.root}/proc/sys/net/netfilter/nf_conntrack_max"

    @property
    def buckets(self) -> str:
        """Its lists."""
        return f"{self.root}/proc/sys/net/netfilter/nf_conntrack_buckets"

    @property
    def netns(self) -> str:
        """The network namespace of the node, whose sysctls count."""
        return f"{self.root}/proc/1/ns/net"

    @property
    def units(self) -> str:
        """Where the administrator's units are."""
        return f"{self.root}/etc/systemd/system"

    @property
    def systemd(self) -> str:
        """There while systemd is PID 1 (sd_booted(3))."""
        return f"{self.root}/run/systemd/system"

    def undo(self, nonce: str) -> str:
        """The folder of an armed undo."""
        return f"{self.state}/{undo_name(nonce)}"


def undo_name(nonce: str) -> str:
    """Of an undo's folder and of its units."""
    return f"undo-{nonce[:8]}"
