"""Ten thousand services' rules in both forms of iptables, read beside the tools that list them.

Processor time, taken turn by turn in one run: ours of the thread that reads and decodes, theirs of the process.
"""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks._rows import Row, ratio, unmeasured
from deploy.lab import packages
from node_helper.linux import iptables_legacy, iptables_nft, netns
from node_helper.netfilter.records import Wanted
from tests.rule_samples import large
from tests.rules_loaded import Loaded, namespace

_TURNS, _WHOLE_TURNS = 7, 3
_CHAIN = "KUBE-SVC-AKPB56V6DIC5CJT2"
_TABLES = ("mangle", "filter", "nat")
_NFT, _LEGACY = "node1.iptables-save.txt", "node3.iptables-legacy-save.txt"
_IDS = ("rules-chain-nft", "rules-all-nft", "rules-chain-legacy", "rules-chain-legacy-cached")


def rows() -> Iterator[Row]:
    """Load each recording into a throw-away namespace, and measure."""
    if os.geteuid() != 0:
        for name in _IDS:
            yield unmeasured(name, "rules", "needs root: it makes a network namespace")
        return
    tools, texts = packages.prepare(print), large(_NFT, _LEGACY)
    for file, tool, measure in ((_NFT, "iptables-nft", _nft), (_LEGACY, "iptables-legacy", _legacy)):
        with tempfile.TemporaryDirectory() as folder, namespace(tools, Path(folder)) as loaded:
            loaded.load(tool, texts[file])
            yield from measure(loaded)


def _nft(loaded: Loaded) -> Iterator[Row]:
    wanted, chain, whole = Wanted("iptables-nft", "ip", "nat", (_CHAIN,)), list[float](), list[float]()
    for _ in range(_TURNS):
        listed = _tool(loaded, "iptables-nft", "-t", "nat", "-S", _CHAIN)
        chain.append(_ours(loaded, lambda: iptables_nft.read(wanted)) / listed)
    for _ in range(_WHOLE_TURNS):
        saved = _tool(loaded, "iptables-nft-save")
        whole.append(_ours(loaded, lambda: [iptables_nft.read(Wanted("iptables-nft", "ip", t)) for t in _TABLES]) / saved)
    what = "the chain of one service and those it leads to, decoded, of 10,000 services"
    yield ratio("rules-chain-nft", what, "iptables-nft -S CHAIN", chain, 0.3)
    yield ratio("rules-all-nft", "all 110,000 rules, decoded", "iptables-nft-save", whole, 1.0)


def _legacy(loaded: Loaded) -> Iterator[Row]:
    wanted, first, again = Wanted("iptables-legacy", "ip", "nat", (_CHAIN,)), list[float](), list[float]()
    for _ in range(_TURNS):
        listed = _tool(loaded, "iptables-legacy", "-t", "nat", "-S", _CHAIN)
        iptables_legacy.forget()
        first.append(_ours(loaded, lambda: iptables_legacy.read(wanted)) / listed)
        again.append(_ours(loaded, lambda: iptables_legacy.read(wanted)) / listed)
    what = "the chain of one service and those it leads to, of 10,000 services"
    yield ratio("rules-chain-legacy", what, "iptables-legacy -S CHAIN", first, 1.2)
    yield ratio("rules-chain-legacy-cached", f"{what}, from a fresh cache", "iptables-legacy -S CHAIN", again, 0.02)


def _ours(loaded: Loaded, read: Callable[[], object]) -> float:
    def measured() -> float:
        began = time.thread_time()
        assert read() is not None
        return time.thread_time() - began

    return netns.inside(loaded.netns, measured)


def _tool(loaded: Loaded, *argv: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([*loaded.enter, *argv], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
