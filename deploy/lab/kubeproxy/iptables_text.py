"""Rules in the words of ``iptables-save``: addresses first, then the protocol, then matches, then the target."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """One rule of one chain; ``spec`` is all that follows the chain's name."""

    table: str
    chain: str
    spec: str


def rule(table: str, chain: str, *words: str) -> Rule:
    """A rule of these words; empty ones are left out."""
    return Rule(table, chain, " ".join(word for word in words if word))


def source(network: str) -> str:
    """``-s``, which iptables-save leaves out where it excludes nothing."""
    return _address("-s", network)


def destination(network: str) -> str:
    """``-d``, likewise."""
    return _address("-d", network)


def comment(text: str) -> str:
    """A comment; quoted, as iptables-save does with any text that has more than letters and digits."""
    return f'-m comment --comment "{text}"'


def dport(protocol: str, port: int) -> str:
    """The port match that goes with ``-p``."""
    return f"-m {protocol} --dport {port}"


def probability(choices: int) -> str:
    """A match for one in ``choices``.

    kube-proxy writes ten digits, the kernel keeps 31 bits, iptables-save prints eleven digits of those.
    """
    kept = round(float(f"{1 / choices:.10f}") * (1 << 31))
    return f"-m statistic --mode random --probability {kept / (1 << 31):.11f}"


def table_text(name: str, hooks: Sequence[str], chains: Iterable[str], rules: Iterable[Rule]) -> str:
    """One table: the hooks' chains in their order, then the others by name, then the rules in the same order."""
    own = [each for each in rules if each.table == name]
    named = sorted({*chains, *(each.chain for each in own)} - set(hooks))
    head = [f":{hook} ACCEPT [0:0]" for hook in hooks] + [f":{chain} - [0:0]" for chain in named]
    return "\n".join([f"*{name}", *head, *_in_order([*hooks, *named], own), "COMMIT\n"])


def _in_order(chains: Sequence[str], rules: Iterable[Rule]) -> list[str]:
    by_chain: Mapping[str, list[str]] = defaultdict(list)
    for each in rules:
        by_chain[each.chain].append(f"-A {each.chain} {each.spec}")
    return [line for chain in chains for line in by_chain[chain]]


def _address(option: str, network: str) -> str:
    if network.endswith("/0"):
        return ""
    whole = "" if "/" in network else "/128" if ":" in network else "/32"
    return f"{option} {network}{whole}"
