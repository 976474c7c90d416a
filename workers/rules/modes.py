"""Of which of kube-proxy's modes rules are, where they do not send packets to endpoints themselves. Pure."""

from __future__ import annotations

from node_helper.netfilter.records import Ruleset


def of_ipvs(rules: Ruleset) -> bool:
    """Whether they are those of kube-proxy's IPVS mode: they mark and admit by sets, and leave the sending to IPVS.

    Source: `writeIptablesRules` in pkg/proxy/ipvs/proxier.go of Kubernetes.
    """
    started = [chain for table in rules.tables for chain in table.chains if chain.name == "KUBE-SERVICES"]
    return any("--match-set KUBE-" in rule.spec for chain in started for rule in chain.rules)
