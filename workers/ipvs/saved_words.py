"""The words of which saved text is made: addresses with ports, marks, numbers."""

from __future__ import annotations

import ipaddress
import re
from typing import Literal

from node_helper.ipvs import LARGEST_PORT
from workers.ipvs.errors import Malformed

_ENDPOINT = re.compile(r"\[([0-9A-Fa-f:.]+)\]:([0-9]{1,5})|([0-9.]+):([0-9]{1,5})")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.,-]*")
_NUMBER = re.compile(r"[0-9]{1,10}")
_LARGEST = 2**32 - 1
_SHOWN = 80


def address(at: int, text: str) -> tuple[str, int]:
    """An address and a port; IPv6 in brackets. Raises `Malformed`, also for names."""
    said = _ENDPOINT.fullmatch(text)
    if said is None:
        raise Malformed(f"{text[:_SHOWN]!r} is not an address with a port; ipvsadm prints those with -n", at)
    try:
        host = str(ipaddress.IPv6Address(said[1]) if said[1] else ipaddress.IPv4Address(said[3]))
    except ValueError as e:
        raise Malformed(str(e)[:_SHOWN], at) from e
    port = int(said[2] or said[4])
    if port > LARGEST_PORT:
        raise Malformed(f"port {port} is too large", at)
    return host, port


def family_of(host: str) -> Literal[4, 6]:
    """The family of an address that `address` has read."""
    return 6 if ":" in host else 4


def mark(at: int, text: str) -> int:
    """A firewall mark, which is never 0. Raises `Malformed`."""
    found = number(at, text)
    if not found:
        raise Malformed("a firewall mark is not 0", at)
    return found


def number(at: int, text: str) -> int:
    """A whole number of 32 bits. Raises `Malformed`."""
    if not _NUMBER.fullmatch(text) or int(text) > _LARGEST:
        raise Malformed(f"{text[:_SHOWN]!r} is not a number", at)
    return int(text)


def word(at: int, text: str) -> str:
    """A name or a list of names, as schedulers, flags, masks and engines are said. Raises `Malformed`."""
    if not _WORD.fullmatch(text):
        raise Malformed(f"{text[:_SHOWN]!r} is no name where one belongs", at)
    return text


def unread(at: int, text: str) -> Malformed:
    """What ipvsadm does not say."""
    return Malformed(f"ipvsadm does not print {text[:_SHOWN]!r}", at)
