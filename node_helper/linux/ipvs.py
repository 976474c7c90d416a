"""IPVS of the calling thread's namespace, over generic netlink (linux/ip_vs.h, net/netfilter/ipvs/ip_vs_ctl.c)."""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct
from contextlib import closing
from typing import Iterable, Iterator, Literal, Optional, Sequence

from node_helper.ipvs import NUMBERS, RealServer, Table, Timeouts, Traffic, Virtual, VirtualServer
from node_helper.linux import genetlink
from node_helper.linux.netlink import Malformed, Netlink, attribute, attributes, unpack
from node_helper.linux.rtnetlink.addresses import address as text_of

_FAMILY = "IPVS"
_GET_SERVICE, _GET_DESTINATION, _GET_CONFIG, _GET_INFO = 4, 8, 13, 15
_SERVICE, _DESTINATION = 1, 2  # IPVS_CMD_ATTR_*
_TCP_SECONDS, _TCP_FIN_SECONDS, _UDP_SECONDS = 4, 5, 6
_VERSION, _SIZE = 1, 2  # IPVS_INFO_ATTR_*
# IPVS_SVC_ATTR_*
_AF, _PROTOCOL, _ADDRESS, _PORT, _MARK, _SCHEDULER, _FLAGS, _PERSISTENCE, _NETMASK = 1, 2, 3, 4, 5, 6, 7, 8, 9
_STATISTICS, _ENGINE, _STATISTICS64 = 10, 11, 12
# IPVS_DEST_ATTR_*
_D_ADDRESS, _D_PORT, _D_FORWARD, _D_WEIGHT, _D_UPPER, _D_LOWER, _D_ACTIVE, _D_INACTIVE, _D_PERSISTENT = 1, 2, 3, 4, 5, 6, 7, 8, 9
_D_STATISTICS, _D_AF, _D_STATISTICS64, _D_TUNNEL = 10, 11, 12, 13
_PERSISTENT, _ONE_PACKET = 0x1, 0x4  # IP_VS_SVC_F_*
_SCHEDULER_FLAGS = (0x8, 0x10, 0x20)
_SCHEDULER_WORDS = {"sh": ("sh-fallback", "sh-port", "flag-3"), "mh": ("mh-fallback", "mh-port", "flag-3")}
_FORWARD = {0: "Masq", 1: "Local", 2: "Tunnel", 3: "Route", 4: "Bypass"}
_FORWARD_MASK = 7
_TUNNELS = {0: "ipip", 1: "gue", 2: "gre"}
_NAMES = {number: name for name, number in NUMBERS.items()}
_HALF, _WORD, _LONG, _BIG_HALF = struct.Struct("=H"), struct.Struct("=I"), struct.Struct("=Q"), struct.Struct(">H")
_SIGNED, _BYTE = struct.Struct("=i"), struct.Struct("=B")
_IPV4_SIZE, _UNION_SIZE = 4, 16  # an address is a union nf_inet_addr


def read(only: Optional[Sequence[Virtual]] = None) -> Optional[Table]:
    """The whole table, or those of the virtual servers `only` that exist. None: this kernel has no IPVS now.

    Raises `OSError`, `Malformed` and `CannotLook`; loads nothing.
    """
    with closing(genetlink.connect()) as netlink:
        kind = genetlink.family(netlink, _FAMILY)
        return None if kind is None else _read(netlink, kind, only)


def _read(netlink: Netlink, kind: int, only: Optional[Sequence[Virtual]]) -> Table:
    info, config = (netlink.get(kind, genetlink.head(command)) for command in (_GET_INFO, _GET_CONFIG))
    services = _all(netlink, kind) if only is None else _these(netlink, kind, only)
    servers = (
        virtual_server(service, netlink.dump(kind, genetlink.head(_GET_DESTINATION) + _key(service))) for service in services
    )
    return table(info, config, servers)


def table(info: bytes, config: bytes, servers: Iterable[VirtualServer]) -> Table:
    """The record of the answers to IPVS_CMD_GET_INFO and IPVS_CMD_GET_CONFIG. Raises `Malformed`."""
    of, seconds = (attributes(body, genetlink.HEAD_SIZE) for body in (info, config))
    version = _number(_WORD, of, _VERSION)
    return Table(
        version=f"{version >> 16 & 0xFF}.{version >> 8 & 0xFF}.{version & 0xFF}",
        size=_number(_WORD, of, _SIZE),
        timeouts=Timeouts(*(_number(_WORD, seconds, one) for one in (_TCP_SECONDS, _TCP_FIN_SECONDS, _UDP_SECONDS))),
        virtual_servers=tuple(servers),
    )


def _all(netlink: Netlink, kind: int) -> list[dict[int, bytes]]:
    return [_service(body) for body in netlink.dump(kind, genetlink.head(_GET_SERVICE))]


def _these(netlink: Netlink, kind: int, only: Sequence[Virtual]) -> Iterator[dict[int, bytes]]:
    for virtual in only:
        try:
            yield _service(netlink.get(kind, genetlink.head(_GET_SERVICE) + _wanted(virtual)))
        except OSError as e:
            if e.errno != errno.ESRCH:  # there is none with this key
                raise


def _service(body: bytes) -> dict[int, bytes]:
    return attributes(attributes(body, genetlink.HEAD_SIZE).get(_SERVICE, b""))


def _key(service: dict[int, bytes]) -> bytes:
    """What names a virtual server, as the kernel gave it."""
    parts = (_AF, _MARK) if _MARK in service else (_AF, _PROTOCOL, _ADDRESS, _PORT)
    return attribute(_SERVICE, b"".join(attribute(part, service[part]) for part in parts if part in service))


def _wanted(virtual: Virtual) -> bytes:
    address = ipaddress.ip_address(virtual.address)
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004  (its own number)
    named = {
        _AF: _HALF.pack(family),
        _PROTOCOL: _HALF.pack(NUMBERS[virtual.protocol]),
        _ADDRESS: address.packed.ljust(_UNION_SIZE, b"\0"),
        _PORT: _BIG_HALF.pack(virtual.port),
    }
    return attribute(_SERVICE, b"".join(attribute(kind, value) for kind, value in named.items()))


def virtual_server(service: dict[int, bytes], destinations: Sequence[bytes]) -> VirtualServer:
    """The record of one IPVS_CMD_ATTR_SERVICE and of the answers that hold its destinations. Raises `Malformed`."""
    family = _family(service, _AF)
    mark = _number(_WORD, service, _MARK) if _MARK in service else 0
    flags = _number(_WORD, service, _FLAGS)
    scheduler = _text(service, _SCHEDULER)
    persistent = bool(flags & _PERSISTENT)
    return VirtualServer(
        family=family,
        protocol="" if mark else _protocol(_number(_HALF, service, _PROTOCOL)),
        address="" if mark else _address(family, service.get(_ADDRESS, b"")),
        port=0 if mark else _number(_BIG_HALF, service, _PORT),
        scheduler=scheduler,
        mark=mark,
        flags=_scheduler_flags(scheduler, flags),
        ops=bool(flags & _ONE_PACKET),
        persistence=_number(_WORD, service, _PERSISTENCE) if persistent else None,
        netmask=_netmask(family, service) if persistent else "",
        engine=_text(service, _ENGINE),
        traffic=_traffic(service, _STATISTICS64, _STATISTICS),
        real_servers=tuple(_real_server(family, body) for body in destinations),
    )


def _real_server(family: Literal[4, 6], body: bytes) -> RealServer:
    found = attributes(attributes(body, genetlink.HEAD_SIZE).get(_DESTINATION, b""))
    forward = _FORWARD.get(_number(_WORD, found, _D_FORWARD) & _FORWARD_MASK, "")
    own = _family(found, _D_AF) if _D_AF in found else family  # a tunnel may lead through the other family
    return RealServer(
        address=_address(own, found.get(_D_ADDRESS, b"")),
        port=_number(_BIG_HALF, found, _D_PORT),
        forward=forward,
        weight=_number(_SIGNED, found, _D_WEIGHT),
        active=_number(_WORD, found, _D_ACTIVE),
        inactive=_number(_WORD, found, _D_INACTIVE),
        persistent=_number(_WORD, found, _D_PERSISTENT),
        upper=_number(_WORD, found, _D_UPPER),
        lower=_number(_WORD, found, _D_LOWER),
        tunnel=_TUNNELS.get(_number(_BYTE, {_D_TUNNEL: b"\0", **found}, _D_TUNNEL), "") if forward == "Tunnel" else "",
        traffic=_traffic(found, _D_STATISTICS64, _D_STATISTICS),
    )


def _traffic(found: dict[int, bytes], wide: int, narrow: int) -> Traffic:
    """Both sets have the same attributes; the older one (kernels before 4.1 have no other) mixes their widths."""
    if wide in found:
        numbers = attributes(found[wide])
        return Traffic(*(_number(_LONG, numbers, kind) for kind in range(1, 6)))
    numbers = attributes(found.get(narrow, b""))
    return Traffic(*(_number(form, numbers, kind) for kind, form in enumerate((_WORD, _WORD, _WORD, _LONG, _LONG), 1)))


def _scheduler_flags(scheduler: str, flags: int) -> tuple[str, ...]:
    words = _SCHEDULER_WORDS.get(scheduler, ("flag-1", "flag-2", "flag-3"))
    return tuple(word for bit, word in zip(_SCHEDULER_FLAGS, words) if flags & bit)


def _netmask(family: int, service: dict[int, bytes]) -> str:
    mask = service.get(_NETMASK, b"")
    return _address(4, mask) if family == 4 else str(_number(_WORD, service, _NETMASK))  # noqa: PLR2004  (its own number)


def _protocol(number: int) -> str:
    return _NAMES.get(number, str(number))


def _family(found: dict[int, bytes], kind: int) -> Literal[4, 6]:
    number = _number(_HALF, found, kind)
    if number not in (socket.AF_INET, socket.AF_INET6):
        raise Malformed(f"{number} is no address family of IPVS")
    return 4 if number == socket.AF_INET else 6


def _address(family: int, value: bytes) -> str:
    number, size = (socket.AF_INET, _IPV4_SIZE) if family == 4 else (socket.AF_INET6, _UNION_SIZE)  # noqa: PLR2004  (its own number)
    if len(value) < size:
        raise Malformed(f"an IPVS address has {len(value)} bytes")
    return text_of(number, value[:size])


def _number(form: struct.Struct, found: dict[int, bytes], kind: int) -> int:
    return unpack(form, found.get(kind, b""))[0]


def _text(found: dict[int, bytes], kind: int) -> str:
    return found.get(kind, b"").rstrip(b"\0").decode(errors="backslashreplace")
