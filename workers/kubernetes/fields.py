"""Fields of API objects, checked for their JSON type. Missing and null are the same, as the API defines them.

All raise `Malformed`, which names the field.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from workers.kubernetes.errors import Malformed

Json = Mapping[str, Any]
_LEADING_ZEROS = re.compile(r"(?<![0-9A-Fa-f])0+(?=[0-9A-Fa-f])")


def mapping(value: Any, path: str = "") -> Json:
    """The value itself, which must be an object."""
    if not isinstance(value, dict):
        raise Malformed(path, value, "an object")
    return value


def section(obj: Json, key: str) -> Json:
    """An object inside an object; empty where it is missing."""
    value = obj.get(key)
    return {} if value is None else mapping(value, key)


def sections(obj: Json, key: str) -> list[Json]:
    """A list of objects."""
    return [mapping(each, key) for each in _list(obj, key)]


def text(obj: Json, key: str, default: str = "") -> str:
    """A string."""
    value = obj.get(key)
    if value is None:
        return default
    if not isinstance(value, str):
        raise Malformed(key, value, "a string")
    return value


def required(obj: Json, key: str) -> str:
    """A string that is not empty."""
    value = obj.get(key)
    if not isinstance(value, str) or not value:
        raise Malformed(key, value, "a name")
    return value


def texts(obj: Json, key: str) -> tuple[str, ...]:
    """A list of strings."""
    values = _list(obj, key)
    for value in values:
        if not isinstance(value, str):
            raise Malformed(key, value, "a string")
    return tuple(values)


def address(said: str, key: str) -> str:
    """An IP address of a field as the kernel and tools write it.

    The API keeps addresses as people wrote them: leading zeros (which it takes for nothing), capitals, zeros that could be
    left out, IPv4 in the form of IPv6. Source: net.ParseIPSloppy of k8s.io/utils.
    """
    try:
        read = ipaddress.ip_address("" if "%" in said else _LEADING_ZEROS.sub("", said))
    except ValueError as e:
        raise Malformed(key, said, "an IP address") from e
    inner = read.ipv4_mapped if isinstance(read, ipaddress.IPv6Address) else None
    return str(inner or read)


def addresses(obj: Json, key: str) -> tuple[str, ...]:
    """A list of IP addresses, as `address` gives each."""
    return tuple(address(each, key) for each in texts(obj, key))


def number(obj: Json, key: str) -> int | None:
    """A whole number."""
    value = obj.get(key)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise Malformed(key, value, "a whole number")
    return value


def flag(obj: Json, key: str, default: bool = False) -> bool:  # noqa: FBT001, FBT002  (the field's default, as the API has it)
    """True or false."""
    value = obj.get(key)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise Malformed(key, value, "true or false")
    return value


def labels(obj: Json, key: str) -> dict[str, str]:
    """A map of strings."""
    values = section(obj, key)
    for name, value in values.items():
        if not isinstance(value, str):
            raise Malformed(f"{key}.{name}", value, "a string")
    return dict(values)


def _list(obj: Json, key: str) -> list[Any]:
    value = obj.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise Malformed(key, value, "a list")
    return value
