"""Tables of iptables as `iptables-save -c` prints them: chains with hooks first, then the others by name, and each rule."""

from __future__ import annotations

from typing import Iterable, Iterator

from node_helper.netfilter.records import Chain, Rule, Table


def lines(tables: Iterable[Table]) -> Iterator[str]:
    """Every line, without its end. A rule that was not decoded in full stands below a comment that says so."""
    for table in tables:
        chains = sorted(table.chains, key=lambda chain: (not chain.policy, "" if chain.policy else chain.name))
        yield f"*{table.name}"
        for chain in chains:
            yield f":{chain.name} {chain.policy or '-'} [{chain.packets or 0}:{chain.bytes or 0}]"
        for chain in chains:
            for rule in chain.rules:
                yield from _rule(chain, rule)
        yield "COMMIT"


def _rule(chain: Chain, rule: Rule) -> Iterator[str]:
    if rule.unread:
        yield f"# the next rule holds more than could be read: {', '.join(rule.unread)}"
    yield f"[{rule.packets or 0}:{rule.bytes or 0}] -A {chain.name} {rule.spec}".rstrip()
