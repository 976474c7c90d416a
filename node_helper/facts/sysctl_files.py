"""Where a kernel setting is written down, so that it comes back at the next start: which files say it, and which of them wins.

The rules are those of sysctl.d(5) and of procps' `sysctl --system`, which differ in one thing: only the latter reads
/etc/sysctl.conf, last of all. Where systemd runs it counts only through a link in /etc/sysctl.d, which Debian had up to 12.
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from typing import Iterator, Optional

from node_helper import config_file
from node_helper.early_modules import late
from node_helper.kernel import Kernel
from node_helper.protocol import Fact

_FOLDERS = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d")
"""Of files of one name, that in the first of these counts. /lib is /usr/lib on every distribution that is still looked after."""
_LAST = "/etc/sysctl.conf"
_OTHER_NAMES = {"net/nf_conntrack_max": "net/netfilter/nf_conntrack_max"}
"""Files of one value: who writes into one of them writes into both (net/netfilter/nf_conntrack_standalone.c)."""


@dataclass(frozen=True)
class Query:
    """A setting, in either spelling: net.netfilter.nf_conntrack_max or net/netfilter/nf_conntrack_max."""

    key: str


@dataclass(frozen=True)
class Assignment:
    """One line: `key` as it is spelled there, a pattern perhaps; `value` None for `-key` alone, an exception from patterns."""

    path: str
    line: int
    key: str
    value: Optional[str]


@dataclass(frozen=True)
class SysctlFiles:
    """Assignments in the order in which they are applied. `wins` is the last one that is not undone by an explicit exception.

    `hidden` are files that do not count: a folder before theirs has one of the same name, or systemd does not read them.
    `late` is the kernel module that must be there before they are applied, where nothing is seen to load it so early.
    """

    key: str
    assignments: tuple[Assignment, ...]
    wins: Optional[Assignment]
    hidden: tuple[str, ...]
    late: str = ""


def collect(kernel: Kernel, query: Query) -> SysctlFiles:
    """Read every file that is applied at start."""
    wanted = normal(query.key)
    paths, hidden = _files(kernel)
    found: list[Assignment] = []
    for path in paths:
        found += [one for one in assignments(path, config_file.text(kernel, path)) if _means(one.key, wanted)]
    return SysctlFiles(wanted, tuple(found), _winner(found, wanted), hidden, late(kernel, wanted))


def _winner(found: list[Assignment], wanted: str) -> Optional[Assignment]:
    """The last that names the key; else, without an exception, the last whose pattern means it."""
    last = list(reversed([one for one in found if one.value is not None]))
    named = next((one for one in last if normal(one.key) == wanted), None)
    if named is not None or any(one.value is None for one in found):
        return named
    return last[0] if last else None


def normal(key: str) -> str:
    """A key with slashes, by its usual name.

    Where its first separator is a slash, dots are part of names; else the two are exchanged.
    """
    key = key.strip().lstrip("-")
    first = next((c for c in key if c in "./"), "/")
    known = key.translate(str.maketrans("./", "/.")) if first == "." else key
    return _OTHER_NAMES.get(known, known)


def assignments(path: str, text: str) -> Iterator[Assignment]:
    """The lines of one file that assign or except."""
    for number, line in enumerate(text.split("\n"), 1):
        said = line.strip()
        if not said or said[0] in "#;":
            continue
        key, equals, value = said.partition("=")
        if equals or said.startswith("-"):
            yield Assignment(path, number, key.strip(), value.strip() if equals else None)


def _means(key: str, wanted: str) -> bool:
    known = normal(key)
    names = (wanted, *(other for other, usual in _OTHER_NAMES.items() if usual == wanted))
    pattern = any(c in known for c in "*?[")
    return known == wanted or (pattern and any(_fits(name.split("/"), known.split("/")) for name in names))


def _fits(names: list[str], patterns: list[str]) -> bool:
    return len(names) == len(patterns) and all(fnmatch.fnmatchcase(n, p) for n, p in zip(names, patterns))


def _files(kernel: Kernel) -> tuple[list[str], tuple[str, ...]]:
    found = [(name, f"{folder}/{name}") for folder in _FOLDERS for name in kernel.names_in(folder) if name.endswith(".conf")]
    chosen = dict(reversed(found))
    last = (_LAST,) if "sysctl.conf" in kernel.names_in("/etc") else ()
    by_systemd = "system" in kernel.names_in("/run/systemd")  # sd_booted(3)
    applied = [chosen[name] for name in sorted(chosen)] + ([] if by_systemd else list(last))
    return applied, (*(path for name, path in found if chosen[name] != path), *(last if by_systemd else ()))


FACT = Fact(name="sysctl_files", query=Query, answer=SysctlFiles, collect=collect)
