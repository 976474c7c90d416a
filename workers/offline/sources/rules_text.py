"""The saved text of a node's rules, as it is."""

from __future__ import annotations

from node_helper.facts import rules_text
from node_helper.protocol import CannotLook
from workers.offline.rules import saved
from workers.offline.source import OfNode, Source


def read(files: OfNode, query: rules_text.Query) -> rules_text.Text:
    """``gone`` where this backend was not saved, and others were."""
    found = saved.one(files, query.backend, query.family)
    if found is None:
        raise CannotLook(f"{query.backend} ({query.family}) is not in use here", kind="gone")
    name = files.file(found.file)
    return rules_text.Text(("cat", name), files.folder.text(name))


SOURCE = Source(rules_text.FACT, read)
