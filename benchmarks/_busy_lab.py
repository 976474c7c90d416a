"""The lab with a node as large ones are: its conntrack table holds a million flows, its iptables ten thousand services' rules."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

from benchmarks._flows import fill, room_for
from deploy.lab.kubeproxy.iptables import NFACCT_OBJECTS
from deploy.lab.lab import Lab
from deploy.lab.node import Node
from node_helper.linux import netns
from tests.rule_samples import large

NODE = "node-one"
_RECORDED = {
    "iptables-nft": "node1.iptables-save.txt",
    "iptables-legacy": "node3.iptables-legacy-save.txt",
    "nftables": "node2.nft.txt",
}
_TABLE = re.compile(r"^\*(\w+)\n(.*?)^COMMIT$", re.MULTILINE | re.DOTALL)
_NFT_CHAIN = re.compile(r"^\tchain (\S+) \{$", re.MULTILINE)
_NFT_BLOCK = re.compile(r"^\tchain (\S+) \{\n(?:\t\t.*\n)*\t\}\n", re.MULTILINE)
_EVERY_S = 0.004
_HELPER = b"/netcheck/node-helper"


@contextmanager
def busy_lab(flows: int) -> Iterator[Lab]:
    """It ends with the block."""
    with ExitStack() as stack:
        stack.enter_context(room_for(flows * 6 // 5))
        lab = stack.enter_context(Lab())
        node = lab.nodes[NODE]
        load(node, "iptables-nft")
        fill(netns.of(node.pid), flows)
        yield lab


class Memory:
    """The most memory that the helpers of this machine's nodes had at any moment while this is entered, in MB.

    A helper and the children that it forks share pages; each is counted where it is shared by so many (PSS). `tools` is that
    of the programs that they started.
    """

    def __init__(self) -> None:
        self.peak = self.tools = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.is_set():
            helpers = _named(_HELPER)
            self.peak = max(self.peak, sum(_share(pid) for pid in helpers))
            started = [pid for pid, parent in _parents().items() if parent in helpers and pid not in helpers]
            self.tools = max(self.tools, sum(_share(pid) for pid in started))
            time.sleep(_EVERY_S)


def _named(word: bytes) -> set[int]:
    return {int(path.parent.name) for path in Path("/proc").glob("[0-9]*/cmdline") if word in _bytes(path)}


def _parents() -> Mapping[int, int]:
    lines = {int(path.parent.name): _bytes(path) for path in Path("/proc").glob("[0-9]*/stat")}
    return {pid: int(line.rpartition(b")")[2].split()[1]) for pid, line in lines.items() if line}


def _share(pid: int) -> float:
    found = re.search(rb"^Pss: +(\d+) kB", _bytes(Path(f"/proc/{pid}/smaps_rollup")), re.MULTILINE)
    return int(found[1]) / 1000 if found else 0.0


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended
        return b""


def load(node: Node, backend: str) -> None:
    """The recorded rules of ten thousand services beside those that the node has, as one cluster's."""
    text = large(_RECORDED[backend])[_RECORDED[backend]]
    if backend == "nftables":
        known = set(_NFT_CHAIN.findall(node.run(["nft", "list", "table", "ip", "kube-proxy"]).stdout))
        node.run(["nft", "-f", "-"], stdin=_NFT_BLOCK.sub(lambda said: "" if said[1] in known else said[0], text))
        return
    for name in NFACCT_OBJECTS:
        node.run(["nfacct", "add", name], check=False)  # there already: fine
    own = node.run(["iptables-save"]).stdout
    if backend == "iptables-legacy":
        node.run(["iptables-nft-restore"], stdin=_TABLE.sub(r"*\1\nCOMMIT", own))
    node.run([f"{backend}-restore"], stdin=_merged(own, text))


def _merged(one: str, other: str) -> str:
    tables: dict[str, list[str]] = {}
    for text in (one, other):
        for name, content in _TABLE.findall(text):
            tables.setdefault(name, []).extend(content.splitlines())
    return "".join(f"*{name}\n{_ordered(lines)}COMMIT\n" for name, lines in tables.items())


def _ordered(lines: list[str]) -> str:
    chains = {line.split()[0]: line for line in lines if line.startswith(":")}
    return "".join(f"{line}\n" for line in (*chains.values(), *(line for line in lines if line.startswith("-A"))))
