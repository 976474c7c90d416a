"""Targets of xtables as the words that iptables-save prints (linux/netfilter/xt_*.h; iptables, extensions/lib*t_*.c)."""

from __future__ import annotations

import socket
import struct
from typing import Callable, Mapping

from node_helper.netfilter.xt_words import Undecodable, address

_MARK = struct.Struct("=II")
_U32 = struct.Struct("=I")
_RANGE_V4 = struct.Struct("=II4s4s2s2s")  # nf_nat_ipv4_multi_range_compat of one range
_RANGE = struct.Struct("=I16s16s2s2s")  # nf_nat_range, and the beginning of nf_nat_range2
_IPS, _PORTS, _RANDOM, _PERSISTENT, _FULLY = 1, 2, 4, 8, 16
_REJECT_V4 = (
    "icmp-net-unreachable", "icmp-host-unreachable", "icmp-proto-unreachable", "icmp-port-unreachable", "", "icmp-net-prohibited",
    "icmp-host-prohibited", "tcp-reset", "icmp-admin-prohibited",
)  # fmt: skip
_REJECT_V6 = (
    "icmp6-no-route", "icmp6-adm-prohibited", "", "icmp6-addr-unreachable", "icmp6-port-unreachable", "", "tcp-reset",
    "icmp6-policy-fail", "icmp6-reject-route",
)  # fmt: skip


def words(name: str, revision: int, data: bytes, family: int) -> str:
    """One target as "-j NAME ...". Raises `Undecodable`. `family` is AF_INET or AF_INET6."""
    decode = _TARGETS.get((name, revision))
    if decode is None:
        raise Undecodable(name)
    try:
        return f"-j {name}{decode(data, family)}"
    except (struct.error, IndexError) as e:
        raise Undecodable(name) from e


def reject(how: int, family: int) -> str:
    """The option "--reject-with" and its kind. Raises `Undecodable`."""
    kinds = _REJECT_V4 if family == socket.AF_INET else _REJECT_V6
    if how >= len(kinds) or not kinds[how]:
        raise Undecodable("REJECT")
    return f" --reject-with {kinds[how]}"


def _mark(data: bytes, _family: int) -> str:
    mark, mask = _MARK.unpack_from(data)
    return f" --set-xmark 0x{mark:x}/0x{mask:x}"


def _reject(data: bytes, family: int) -> str:
    return reject(_U32.unpack_from(data)[0], family)


def _nat(option: str) -> Callable[[bytes, int], str]:
    return lambda data, family: f"{option} {_to(*_range(data, family))}{_ways(_range(data, family)[0])}"


def _to(flags: int, low: bytes, high: bytes, first: int, last: int) -> str:
    if flags & ~(_IPS | _PORTS | _RANDOM | _FULLY | _PERSISTENT) or not flags & (_IPS | _PORTS):
        raise Undecodable("DNAT")
    said = ""
    if flags & _IPS:
        bracketed = len(low) > 4 and flags & _PORTS  # noqa: PLR2004  (bytes of IPv4)
        said = address(low) if low == high else f"{address(low)}-{address(high)}"
        said = f"[{said}]" if bracketed else said
    if flags & _PORTS:
        said += f":{first}" if first == last else f":{first}-{last}"
    return said


def _ways(flags: int) -> str:
    names = ((_RANDOM, " --random"), (_FULLY, " --random-fully"), (_PERSISTENT, " --persistent"))
    return "".join(option for bit, option in names if flags & bit)


def _masquerade(data: bytes, family: int) -> str:
    flags, _, _, first, last = _range(data, family)
    if flags & ~(_PORTS | _RANDOM | _FULLY | _PERSISTENT):
        raise Undecodable("MASQUERADE")
    to = "" if not flags & _PORTS else f" --to-ports {first}" if first == last else f" --to-ports {first}-{last}"
    return to + _ways(flags)


def _range(data: bytes, family: int) -> tuple[int, bytes, bytes, int, int]:
    """Flags, lowest and highest address and port of the forms before nf_nat_range2."""
    if family == socket.AF_INET:
        count, flags, low, high, first, last = _RANGE_V4.unpack_from(data)
        if count != 1:
            raise Undecodable("a target with several ranges")
    else:
        flags, low, high, first, last = _RANGE.unpack_from(data)
    return flags, low, high, int.from_bytes(first, "big"), int.from_bytes(last, "big")


def _dnat_2(data: bytes, family: int) -> str:
    flags, low, high, first, last = _RANGE.unpack_from(data)
    size = 4 if family == socket.AF_INET else 16
    to = _to(flags, low[:size], high[:size], int.from_bytes(first, "big"), int.from_bytes(last, "big"))
    return f" --to-destination {to}{_ways(flags)}"


_TARGETS: Mapping[tuple[str, int], Callable[[bytes, int], str]] = {
    ("MARK", 2): _mark, ("REJECT", 0): _reject, ("MASQUERADE", 0): _masquerade, ("MASQUERADE", 1): _masquerade,
    ("DNAT", 0): _nat(" --to-destination"), ("DNAT", 1): _nat(" --to-destination"), ("DNAT", 2): _dnat_2,
    ("SNAT", 0): _nat(" --to-source"), ("SNAT", 1): _nat(" --to-source"),
}  # fmt: skip
