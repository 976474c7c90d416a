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
    native = query.backend == "nftables"
    table = query.table or (NFT_TABLE if native else None)
    if table is not None and not any((t.family, t.name) == (query.family, table) for t in found.ruleset.tables):
        raise saved.not_in(files, found, f"{query.backend} ({query.family}) has no table {table!r}")
    name = files.file(NFT if native and files.has(NFT) else found.file)
    text = files.folder.text(name)
    if table is not None and not name.endswith(".json"):
        first, last = (f"table {query.family} {table} {{", "}") if native else (f"*{table}", "COMMIT")
        if not (text := _between(text, first, last)):
            reason = f"{name} has no line {first!r} as the tool prints it"
            raise CannotLook(reason, kind="malformed", fix="Save it again as the tool prints it, whole and unedited.")
    return rules_text.Text(("cat", name), text)


def _between(text: str, first: str, last: str) -> str:
    """The lines from one that is `first` to the next that is `last`: a table, as the tools print it alone."""
    lines = text.splitlines(keepends=True)
    said = [line.partition(" # ")[0].rstrip() for line in lines]  # `nft -a` prints handles behind it
    start = said.index(first) if first in said else len(said)
    end = said.index(last, start) + 1 if last in said[start:] else len(said)
    return "".join(lines[start:end])


SOURCE = Source(rules_text.FACT, read)
