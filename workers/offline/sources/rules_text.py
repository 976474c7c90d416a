"""The saved text of a node's rules, as it is: of nftables rather what `nft list` printed than its JSON."""

from __future__ import annotations

from node_helper.facts import rules_text
from node_helper.protocol import CannotLook
from workers.offline.rules import saved
from workers.offline.source import OfNode, Source
from workers.rules.resolve import NFT_TABLE

NFT = "nft.txt"


def read(files: OfNode, query: rules_text.Query) -> rules_text.Text:
    """``missing`` where this backend was not saved, ``gone`` where it was and has no such table."""
    found = saved.wanted(files, query.backend, query.family)
    if query.table is not None and not any((t.family, t.name) == (query.family, query.table) for t in found.ruleset.tables):
        raise CannotLook(f"{query.backend} ({query.family}) has no table {query.table!r}", kind="gone")
    name = files.file(NFT if query.backend == "nftables" and files.has(NFT) else found.file)
    text = files.folder.text(name)
    if query.backend == "nftables" and not name.endswith(".json"):
        text = _between(text, f"table {query.family} {query.table or NFT_TABLE} {{", "}")
    elif query.table is not None and query.backend != "nftables":
        text = _between(text, f"*{query.table}", "COMMIT")
    return rules_text.Text(("cat", name), text)


def _between(text: str, first: str, last: str) -> str:
    """The lines from one that is `first` to the next that is `last`: a table, as the tools print it alone."""
    lines = text.splitlines(keepends=True)
    said = [line.rstrip() for line in lines]
    start = said.index(first) if first in said else len(said)
    end = said.index(last, start) + 1 if last in said[start:] else len(said)
    return "".join(lines[start:end])


SOURCE = Source(rules_text.FACT, read)
