"""The saved text of a node's rules, as it is: of nftables rather what `nft list` printed than its JSON."""

from __future__ import annotations

from node_helper.facts import rules_text
from node_helper.protocol import CannotLook
from workers.offline.rules import saved
from workers.offline.source import OfNode, Source
from workers.rules.resolve import NFT_TABLE

NFT = "nft.txt"


def read(files: OfNode, query: rules_text.Query) -> rules_text.Text:
    """``gone`` where this backend was not saved, and others were."""
    found = saved.one(files, query.backend, query.family)
    if found is None:
        raise CannotLook(f"{query.backend} ({query.family}) is not in use here", kind="gone")
    if query.backend == "nftables" and files.has(NFT):
        name = files.file(NFT)
        return rules_text.Text(("cat", name), _tables(files.folder.text(name), query.family))
    name = files.file(found.file)
    return rules_text.Text(("cat", name), files.folder.text(name))


def _tables(text: str, family: str) -> str:
    """Kube-proxy's table of this family, as `nft list table` prints it."""
    lines = text.splitlines(keepends=True)
    starts = [n for n, line in enumerate(lines) if line.startswith(f"table {family} {NFT_TABLE} {{")]
    return "".join("".join(lines[start : _end(lines, start)]) for start in starts)


def _end(lines: list[str], start: int) -> int:
    return next((n + 1 for n in range(start, len(lines)) if lines[n].startswith("}")), len(lines))


SOURCE = Source(rules_text.FACT, read)
