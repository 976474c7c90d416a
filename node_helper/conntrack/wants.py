"""Which flows a question means, as it crosses the wire."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Optional

from node_helper.conntrack import names
from node_helper.conntrack.matching import WORDS, Wanted


@dataclass(frozen=True)
class Which:
    """All that is given must hold (see `node_helper.conntrack.matching.Wanted`). `protocol` is a name or a number."""

    ends: tuple[str, ...] = ()
    src: Optional[str] = None
    dst: Optional[str] = None
    protocol: Optional[str] = None
    port: Optional[int] = None
    state: Optional[str] = None
    mark: Optional[int] = None
    zone: Optional[int] = None

    def __post_init__(self) -> None:
        for ip in (self.src, self.dst, *self.ends):
            if ip is not None and str(ipaddress.ip_address(ip)) != ip:
                raise ValueError(f"{ip!r} is not how that address is written")
        if self.state is not None and self.state not in WORDS:
            raise ValueError(f"{self.state[:40]!r} is none of {', '.join(WORDS)}")
        for name, value, most in (("port", self.port, 1 << 16), ("zone", self.zone, 1 << 16), ("mark", self.mark, 1 << 32)):
            if value is not None and not 0 <= value < most:
                raise ValueError(f"{name} {value} is not below {most}")
        self.wanted()

    def wanted(self) -> Wanted:
        """The same, as the kernel is asked for it. Raises `ValueError`."""
        protocol = None if self.protocol is None else names.number(self.protocol)
        return Wanted(self.ends, self.src, self.dst, protocol, self.port, self.state or "", self.mark, self.zone)
