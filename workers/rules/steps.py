"""What a rule asks of a packet and does with it, the same for iptables and nftables, as far as services need it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TypeAlias


class Source(enum.Enum):
    """Where a packet comes from; rules for services tell only these apart."""

    POD = "a pod"
    NODE = "the node itself"
    OUTSIDE = "outside the cluster"


@dataclass(frozen=True)
class Packet:
    """The first packet of a connection to a service. `address` is "" for any address of the node itself (node ports)."""

    address: str
    port: int
    protocol: str
    source: Source


class Asks(enum.Enum):
    """What a test looks at; its value is a network, a protocol, a port, a set's name, a share, or what was not read.

    Of STICKY it is a list of clients, and after a space the seconds that iptables looks back.
    """

    TO = "destination network"
    FROM = "source network"
    PROTOCOL = "protocol"
    PORT = "destination port"
    TO_NODE = "destination is an address of the node"
    FROM_NODE = "source is an address of the node"
    TO_SET = "destination is in a set"
    KEY_SET = "address, protocol and port are in a set"
    SHARE = "chance"
    STICKY = "client is in a list"
    NEW = "connection is new"
    ADMITTED = "source is in a list of networks"
    UNREAD = "something that was not understood"


@dataclass(frozen=True)
class Test:
    """One condition."""

    asks: Asks
    value: str = ""
    negated: bool = False


@dataclass(frozen=True)
class Jump:
    """On to another chain; `back` where the rules after this one come next when that chain says nothing."""

    chain: str
    back: bool = True


@dataclass(frozen=True)
class Send:
    """To an endpoint: "10.244.1.4:8080"."""

    endpoint: str


@dataclass(frozen=True)
class Refuse:
    """The end: "reject" tells the sender, "drop" does not."""

    how: str


@dataclass(frozen=True)
class Masquerade:
    """Mark it: its source will be the node's own address."""


@dataclass(frozen=True)
class Remember:
    """Put the client into a list."""

    list: str


@dataclass(frozen=True)
class Leave:
    """Back to the chain that jumped here, or (`accept`) no further rule of this hook."""

    accept: bool = False


@dataclass(frozen=True)
class Pass:
    """Nothing that matters for where it goes."""


@dataclass(frozen=True)
class Choose:
    """One of several, each with the same chance."""

    options: tuple[Act, ...]


@dataclass(frozen=True)
class Lookup:
    """What a map says for the packet; nothing where it says nothing. `fields`: of "address", "protocol", "port"."""

    map: str
    fields: tuple[str, ...]


@dataclass(frozen=True)
class Unread:
    """Something that was not understood: where the packet goes cannot be told."""

    what: str


Act: TypeAlias = Jump | Send | Refuse | Masquerade | Remember | Leave | Pass | Choose | Lookup | Unread


@dataclass(frozen=True)
class Step:
    """One rule: when all tests hold, these acts are done one after the other."""

    tests: tuple[Test, ...]
    acts: tuple[Act, ...]
