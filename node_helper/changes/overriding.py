"""Which other files will win over ours at the next start: the answer of a fact, for whoever reads what came of a change. I/O."""

from __future__ import annotations

from typing import Iterator, Optional, cast

from node_helper.changes.paths import Paths
from node_helper.changes.plan import Setting
from node_helper.kernel import Kernel
from node_helper.linux import files
from node_helper.protocol import CannotLook

_KEYS = ("net.netfilter.nf_conntrack_max", "net.netfilter.nf_conntrack_buckets")


def warnings(paths: Paths, after: Setting) -> tuple[str, ...]:
    """One sentence for each; nothing where the setting does not last anyway."""
    return tuple(_warnings(paths, after.persisted)) if after.persisted else ()


def _warnings(paths: Paths, text: str) -> Iterator[str]:
    from node_helper.facts import sysctl_files  # here, because an armed undo has no need of it

    own = paths.file[len(paths.root) :]
    for key in _KEYS:
        if key not in text:
            continue
        try:
            wins = sysctl_files.collect(cast("Kernel", _Files(paths.root)), sysctl_files.Query(key)).wins
        except CannotLook as e:
            yield f"which file sets {key} at the next start could not be seen: {e.reason}"
            continue
        if wins is not None and wins.path != own:
            yield f"{wins.path}:{wins.line} sets {key} to {wins.value} and is read after {own}: at the next start it wins"


class _Files:
    """As much of a kernel as that fact asks."""

    def __init__(self, root: str) -> None:
        self._root = root

    def names_in(self, path: str) -> tuple[str, ...]:
        return files.names_in(self._root + path)

    def read(self, path: str, limit: int) -> Optional[str]:
        return files.read(self._root + path, limit)
