"""A report as it may be shown where others read: names and addresses are pseudonyms, and there are no files. Pure.

What is replaced: names that the cluster, the facts or the command know, in whatever text they stand; every IP and MAC address;
and what looks like a host, an id or the name of a pod, known or not. What is left are our words, numbers, and words of no shape.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from workers.model import Evidence, Finding, Report, Shown, Table
from workers.redaction.pseudonyms import Pseudonyms

NOTE = "Names and addresses are pseudonyms here, the same each time: others may read this channel."
_ADDRESS = re.compile(
    r"(?P<time>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:?[0-9]{2})?(?![\w:])(?!\.\w))"
    r"|(?P<mac>(?<![0-9A-Fa-f])(?:[0-9A-Fa-f]{2}[:-]){5,}[0-9A-Fa-f]{2}(?![0-9A-Fa-f]))"
    r"|(?<![0-9A-Fa-f:.])(?=[0-9A-Fa-f.]*:[0-9A-Fa-f.]*:)[0-9A-Fa-f:.]+"
)
_WORD = re.compile(r"(?P<word>\w+(?:[.-]+\w+)*)(?P<cut>…|\.\.\.)?")
_KEPT = "\ue000"
"""Stands for what was decided already; a private-use character, which no text of theirs keeps."""
_MOST_GROUPS = 40
_V4 = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_V4_INSIDE = re.compile(r"(?<![0-9])[0-9]{1,3}([.-])[0-9]{1,3}\1[0-9]{1,3}\1[0-9]{1,3}(?![0-9])")
_NUMBER = re.compile(r"[0-9]+(?:[.-][0-9]+)*(?:ns|us|µs|ms|s|m|min|h|d|k|M|G|Ki|Mi|Gi|B|kB|MB|GB|KiB|MiB|GiB|x)?")
_DEVICE = re.compile(r"(?:eth|ens|eno|bond|cni|docker|br|lo|net|tun|tap|wg|ipv|ip)[0-9]{1,3}(?:tables)?")
_SETTING = re.compile(r"(?:net|kernel|fs|vm)\.[a-z0-9_.-]+|[a-z_]+\.(?:conf|md|sh|toml|txt|json|ko)")
_HOST = re.compile(r"(?:[\w-]+\.)+[A-Za-z][\w-]+")
_HEX = re.compile(r"[0-9A-Fa-f]{8,}")
_MIXED = 5
_EDGES = re.compile(r"[._-]+")


@dataclass(frozen=True)
class Redactor:
    """Replaces what `names` (kind by name, in lower case) knows, and what has the shape of a name or an address."""

    pseudonyms: Pseudonyms
    names: Mapping[str, str]

    def text(self, text: str) -> str:
        """Any text of a report."""
        decided: list[str] = []

        def address(match: re.Match[str]) -> str:
            if match["time"]:
                return _keep(match[0], decided)
            if match["mac"]:
                return _keep(self.pseudonyms.of("mac", match[0].replace("-", ":")), decided)
            return self._v6(match[0].split(":"), decided)

        marked = _ADDRESS.sub(address, text.replace(_KEPT, "?"))
        left = iter(decided)
        return re.sub(_KEPT, lambda _: next(left), _WORD.sub(self._token, marked))

    def name(self, name: str) -> str:
        """What is a name as a whole, whatever it looks like."""
        return self.pseudonyms.of(self.names.get(name.lower(), "name"), name) if name else ""

    def report(self, report: Report) -> Report:
        """The same report for the eyes of others."""
        return replace(
            report,
            command=self.text(report.command),
            asked=tuple(map(self.name, report.asked)),
            findings=tuple(map(self._finding, report.findings)),
            shown=self._shown(report.shown),
        )

    def _finding(self, found: Finding) -> Finding:
        return replace(
            found,
            claim=self.text(found.claim),
            evidence=tuple(Evidence(self.text(e.source), self.text(e.value), self.text(e.at)) for e in found.evidence),
            disprove=self.text(found.disprove),
            fix=self.text(found.fix),
            subject=self.text(found.subject),
            node=self.name(found.node),
            look_further="",
        )

    def _shown(self, shown: Shown) -> Shown:
        notes = tuple(map(self.text, shown.notes))
        return Shown(self.text(shown.headline), {}, tuple(map(self._table, shown.tables)), (), (NOTE, *notes))

    def _table(self, table: Table) -> Table:
        rows = tuple(tuple(map(self.text, row)) for row in table.rows)
        return Table(self.text(table.title), rows, tuple(map(self.text, table.columns)))

    def _token(self, match: re.Match[str]) -> str:
        return self.pseudonyms.of("name", match[0]) if match["cut"] else self._word(match["word"])

    def _v6(self, groups: list[str], decided: list[str]) -> str:
        """Words with colons between, of which the longest that are an address together are one."""
        if len(groups) > _MOST_GROUPS:
            return _keep(self.pseudonyms.of("name", ":".join(groups)), decided)
        for length in range(len(groups), 2, -1):
            for start in range(len(groups) - length + 1):
                address = _v6(":".join(groups[start : start + length]).strip("."))
                if address:
                    before = "".join(f"{group}:" for group in groups[:start])
                    after = "".join(f":{group}" for group in groups[start + length :])
                    return f"{before}{_keep(self.pseudonyms.of('ip', address), decided)}{after}"
        return ":".join(groups)

    def _word(self, word: str) -> str:
        """What of the word is known is replaced; the rest of it, if it looks like more than a word."""
        return "".join(self.name(part) if known else self._unknown(part) for part, known in self._parts(word))

    def _parts(self, word: str) -> Iterator[tuple[str, bool]]:
        """The word from left to right: known names as long as possible between edges, and what is between them."""
        starts = [0, *(m.end() for m in _EDGES.finditer(word))]
        ends = [*(m.start() for m in _EDGES.finditer(word)), len(word)]
        done = 0
        for start in starts:
            if start < done:
                continue
            end = next((e for e in reversed(ends) if e > start and word[start:e].lower() in self.names), None)
            if end is not None:
                if start > done:
                    yield word[done:start], False
                yield word[start:end], True
                done = end
        if done < len(word):
            yield word[done:], False

    def _unknown(self, text: str) -> str:
        bare = text.strip("._-")
        if not bare or not _tells(bare):
            return text
        before, _, after = text.partition(bare)
        return f"{before}{self.pseudonyms.of('ip' if _V4.fullmatch(bare) else 'name', bare)}{after}"


def _keep(said: str, decided: list[str]) -> str:
    decided.append(said)
    return _KEPT


def _v6(text: str) -> str:
    """The address in its longest form, "" for what is none."""
    try:
        return ipaddress.IPv6Address(text).exploded
    except ValueError:
        return ""


def _tells(word: str) -> bool:
    """Whether it has the shape of a name or an id, and not that of a number, a device or a setting."""
    if _V4_INSIDE.search(word):
        return True
    if _NUMBER.fullmatch(word) or _DEVICE.fullmatch(word) or _SETTING.fullmatch(word):
        return False
    return bool(_HOST.fullmatch(word) or _HEX.fullmatch(word)) or any(map(_mixed, re.split(r"[.-]", word)))


def _mixed(part: str) -> bool:
    letters = any(c.isalpha() for c in part)
    return len(part) >= _MIXED and letters and any(c.isdigit() for c in part) and not _NUMBER.fullmatch(part)
