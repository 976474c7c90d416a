"""Ten thousand services' rules in both forms of iptables, read beside the tools that list them, and a tenth of them.

Processor time, taken turn by turn in one run, each of its own process.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks._rows import Row, ratio
from benchmarks._sides import Ours, ours, run, spent
from deploy.lab import packages
from tests.rule_samples import large
from tests.rules_loaded import Loaded, namespace

IDS = {
    "rules-chain-nft": "the chain of one service and those it leads to, decoded, of 10,000 services",
    "rules-all-nft": "all 110,000 rules, decoded",
    "rules-chain-legacy-first": "the chain of one service and those it leads to, of 10,000 services",
    "rules-chain-legacy-cached": "the same from a fresh cache",
    "growth-rules": "all rules of ten times as many services, against ten times the cost",
    "growth-chain": "the chain of one service, nft-backed, at ten times as many services",
    "growth-chain-legacy": "the same for legacy iptables, which hands out whole tables only, from a fresh cache",
}
_TURNS, _WHOLE_TURNS, _SHORT = 7, 2, 20
_CHAIN = "KUBE-SVC-AKPB56V6DIC5CJT2"
_NFT, _LEGACY = "node1.iptables-save.txt", "node3.iptables-legacy-save.txt"
_FEWER = 10
_LINEAR, _FLAT = 1.2, 1.5
_RULE = re.compile(r"-A (KUBE-\S+) .*-j (KUBE-S(?:VC|EP)-\S+)")
_DECLARED = re.compile(r"(?::|-A )(KUBE-S(?:VC|EP)-\S+) ")


def rows() -> Iterator[Row]:
    """Load each recording into a throw-away namespace, and measure."""
    if os.geteuid() != 0:
        raise PermissionError("needs root: it makes network namespaces")
    tools, texts = packages.prepare(lambda _: None), large(_NFT, _LEGACY)
    with tempfile.TemporaryDirectory() as folder:
        for file, tool, measure in ((_NFT, "iptables-nft", _nft), (_LEGACY, "iptables-legacy", _legacy)):
            with namespace(tools, Path(folder)) as few, namespace(tools, Path(folder)) as many:
                few.load(tool, _fewer(texts[file]))
                many.load(tool, texts[file])
                with ours(few.netns) as of_few, ours(many.netns) as of_many:
                    yield from measure(many, of_few, of_many)


def _nft(loaded: Loaded, of_few: Ours, of_many: Ours) -> Iterator[Row]:
    chain, whole, tenfold = list[float](), list[float](), list[float]()
    job = ("chain", "iptables-nft", _CHAIN)
    of_many(*job)
    for _ in range(_TURNS):
        chain.append(of_many(*job)[0] / _tool(loaded, "iptables-nft", "-t", "nat", "-S", _CHAIN))
    yield ratio("rules-chain-nft", IDS["rules-chain-nft"], "iptables-nft -S CHAIN", chain, 0.3)
    few = median(of_few("all-rules", "iptables-nft")[0] for _ in range(_TURNS))
    for _ in range(_WHOLE_TURNS):
        cost = of_many("all-rules", "iptables-nft")[0]
        whole.append(cost / _tool(loaded, "iptables-nft-save"))
        tenfold.append(cost / _FEWER / few)
    yield ratio("rules-all-nft", IDS["rules-all-nft"], "iptables-nft-save", whole, 1.0)
    yield ratio("growth-rules", IDS["growth-rules"], "ten times 1,000 services", tenfold, _LINEAR)
    yield ratio("growth-chain", IDS["growth-chain"], "the same at 1,000 services", _growth(of_few, of_many, job), _FLAT)


def _legacy(loaded: Loaded, of_few: Ours, of_many: Ours) -> Iterator[Row]:
    first, again = list[float](), list[float]()
    job = ("chain", "iptables-legacy", _CHAIN)
    for _ in range(_TURNS):
        listed = _tool(loaded, "iptables-legacy", "-t", "nat", "-S", _CHAIN)
        of_many("forget")
        first.append(of_many(*job)[0] / listed)
        again.append(of_many(*job)[0] / listed)
    yield ratio("rules-chain-legacy-first", IDS["rules-chain-legacy-first"], "iptables-legacy -S CHAIN", first, 1.2)
    yield ratio("rules-chain-legacy-cached", IDS["rules-chain-legacy-cached"], "iptables-legacy -S CHAIN", again, 0.02)
    grown = _growth(of_few, of_many, job)
    yield ratio("growth-chain-legacy", IDS["growth-chain-legacy"], "the same at 1,000 services", grown, _FLAT)


def _growth(of_few: Ours, of_many: Ours, job: tuple[str, ...]) -> list[float]:
    """Many at a time: one costs a millisecond."""
    for our in (of_few, of_many):
        our(*job)
    return [_many(of_many, job) / _many(of_few, job) for _ in range(_TURNS)]


def _many(our: Ours, job: tuple[str, ...]) -> float:
    return sum(our(*job)[0] for _ in range(_SHORT))


def _tool(loaded: Loaded, *argv: str) -> float:
    return spent(lambda: run([*loaded.enter, *argv]))


def _fewer(text: str) -> str:
    """The rules of every tenth service, and of those that more than one chain leads to."""
    lines = text.splitlines()
    jumps = [found.groups() for line in lines if (found := _RULE.match(line))]
    caught = [to for chain, to in jumps if chain == "KUBE-SERVICES"]
    kept = set(caught[::_FEWER]) | {to for chain, to in jumps if not chain.startswith(("KUBE-SERVICES", "KUBE-SVC-"))}
    kept |= {to for chain, to in jumps if chain in kept}

    def stays(line: str) -> bool:
        of, rule = _DECLARED.match(line), _RULE.match(line)
        return (of is None or of[1] in kept) and (rule is None or rule[2] in kept)

    return "".join(f"{line}\n" for line in lines if stays(line))
