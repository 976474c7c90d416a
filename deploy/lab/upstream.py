"""The world's DNS, as far as the lab knows it: a resolver on the fabric with a few names of its own, and no others."""

from __future__ import annotations

from deploy.lab.fabric import Fabric

# Addresses of RFC 5737 and RFC 3849: nobody has them, so nothing that resolves them gets anywhere.
_NAMES = {"example.com": ("198.51.100.10", "2001:db8::10"), "example.org": ("198.51.100.20", "2001:db8::20")}
_CONFIG = "/etc/dnsmasq.conf"
_BASE = """user=root
group=
pid-file=
log-facility=-
no-hosts
no-resolv
local=/#/
"""


def start(fabric: Fabric) -> None:
    """Start the resolver, and wait until it answers."""
    records = (f"host-record={name},{','.join(addresses)}\n" for name, addresses in _NAMES.items())
    fabric.write(_CONFIG, _BASE + "".join(records))
    argv = ["dnsmasq", "--keep-in-foreground", f"--conf-file={_CONFIG}"]
    fabric.daemon(argv, "dnsmasq.log", lambda: "started" in fabric.log("dnsmasq.log"))
