"""Chains, sets and maps in the words and the order of ``nft list table`` (nft 1.0.6)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

_PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}


@dataclass(frozen=True)
class Element:
    """A member of a set, or of a map with its verdict; the parts of its key are addresses, protocols and ports."""

    container: str
    key: tuple[str, ...]
    verdict: str = ""
    comment: str = ""


@dataclass(frozen=True)
class Chain:
    """A chain and the lines in it: its hook or comment first, then its rules."""

    name: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Container:
    """A set or a map, without its elements; ``lines`` are its properties."""

    kind: str
    name: str
    lines: tuple[str, ...]


def chain_text(chain: Chain) -> str:
    """The chain as a block of the table."""
    return _block(f"chain {chain.name}", chain.lines)


def container_text(container: Container, elements: Iterable[Element]) -> str:
    """The set or map as a block of the table, with its elements in nft's order."""
    own = sorted(elements, key=_rank)
    listed = (f"elements = {{ {_joined(own)} }}",) if own else ()
    return _block(f"{container.kind} {container.name}", (*container.lines, *listed))


def by_container(elements: Iterable[Element]) -> Mapping[str, Collection[Element]]:
    """Each container's elements; of two with one key the later one counts, as when two services claim one address."""
    found: dict[str, dict[tuple[str, ...], Element]] = {}
    for each in elements:
        found.setdefault(each.container, {})[each.key] = each
    return {container: keyed.values() for container, keyed in found.items()}


def networks_text(networks: Sequence[str]) -> str:
    """What stands in a match: one network as it is, several as an anonymous set; nft joins those that touch on loading."""
    listed = sorted((ip_network(network) for network in networks), key=lambda each: int(each.network_address))
    words = [str(each) if each.num_addresses > 1 else str(each.network_address) for each in listed]
    return words[0] if len(words) == 1 else f"{{ {', '.join(words)} }}"


def _block(head: str, lines: Sequence[str]) -> str:
    return "\n".join([f"\t{head} {{", *(f"\t\t{line}" for line in lines), "\t}\n"])


def _joined(elements: Sequence[Element]) -> str:
    """Two IPv4 addresses stand on a line, and one of anything else."""
    words = [_words(each) for each in elements]
    per_line = 2 if len(elements[0].key) == 1 and ":" not in elements[0].key[0] else 1
    lines = [", ".join(words[start : start + per_line]) for start in range(0, len(words), per_line)]
    return ",\n\t\t\t     ".join(lines)


def _words(element: Element) -> str:
    key = " . ".join(element.key)
    said = f' comment "{element.comment}"' if element.comment else ""
    return f"{key}{said}" + (f" : {element.verdict}" if element.verdict else "")


def _rank(element: Element) -> int:
    """Elements are sorted by the number that the key is: one field as it is on the wire, joined fields read backwards."""
    parts = [_bytes(part) for part in element.key]
    return int.from_bytes(b"".join(parts), "big" if len(parts) == 1 else "little")


def _bytes(part: str) -> bytes:
    if part in _PROTOCOLS:
        return _PROTOCOLS[part].to_bytes(1, "big")
    return int(part).to_bytes(2, "big") if part.isdigit() else ip_address(part).packed
