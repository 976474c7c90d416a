"""What goes to the sink, a line each: public keys, heads of chains, heads counter-signed by the approver. Pure.

A line is `netcheck-audit {JSON}`, signed; whatever a log daemon puts before it is ignored when it is read again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeVar

from node_helper import codec
from workers.audit.entry import compact, digest, role_of
from workers.audit.keys import Keys, PublicKey, Signer, by_id
from workers.audit.record import Record

MARK = "netcheck-audit "
L = TypeVar("L", "KeyLine", "Head", "Seal")


@dataclass(frozen=True)
class KeyLine:
    """A role's public key, where it was first used; signed with itself."""

    role: str
    raw: str
    at: str
    of: str = ""
    key: str = ""
    signature: str = ""


@dataclass(frozen=True)
class Head:
    """How far a chain had got: the `digest` of its `seq`-th entry, and that entry's time."""

    writer: str
    seq: int
    digest: str
    at: str
    of: str = ""
    key: str = ""
    signature: str = ""

    @property
    def bare(self) -> Head:
        """Without its signature."""
        return replace(self, of="", key="", signature="")


@dataclass(frozen=True)
class Seal:
    """The `seq`-th time that `by` vouches for heads: those that had moved. `previous` is the digest of the seal before."""

    by: str
    seq: int
    previous: str
    at: str
    heads: tuple[Head, ...]
    of: str = ""
    key: str = ""
    signature: str = ""

    @property
    def digest(self) -> str:
        """Of what is signed."""
        return digest(_content(self))


_KINDS: dict[str, type[KeyLine | Head | Seal]] = {"key": KeyLine, "head": Head, "seal": Seal}
Line = KeyLine | Head | Seal


@dataclass(frozen=True)
class Sunk:
    """What a sink holds, in its order. `damaged` are lines that are not what was signed.

    `unreadable` ones tell nothing: a machine that lost its power leaves half a line, and what it said is said again.
    `others`: whether there are lines of other installations.
    """

    keys: dict[str, PublicKey] = field(default_factory=dict)
    heads: tuple[Head, ...] = ()
    seals: tuple[Seal, ...] = ()
    damaged: tuple[str, ...] = ()
    unreadable: tuple[int, ...] = ()
    others: bool = False


def head_of(record: Record) -> Head:
    """Unsigned."""
    return Head(record.entry.writer, record.entry.seq, record.digest, record.entry.at)


def key_line(signer: Signer, at: str) -> KeyLine:
    """The signer's own."""
    public = signer.public
    return sign(signer, KeyLine(public.role, public.raw, at))


def sign(signer: Signer, line: L) -> L:
    """The line with a signature and the installation's name."""
    named = replace(line, of=signer.of)
    return replace(named, key=signer.public.id, signature=signer.sign(_purpose(named), _content(named)))


def dumps(line: Line) -> str:
    """One line of text, without its end."""
    return MARK + compact({"what": _purpose(line), **codec.encode(line)}).decode("ascii")


def read(text: Iterable[str], pinned: Keys | None = None, of: str = "") -> Sunk:
    """What the lines of a sink say of one installation. Keys are those that it names itself, or only the `pinned` ones."""
    lines: list[Line] = []
    unreadable: list[int] = []
    others = False
    for number, raw in enumerate(text, 1):
        if MARK not in raw:
            continue
        try:
            line = _loads(raw.partition(MARK)[2])
        except (ValueError, RecursionError):
            unreadable.append(number)
            continue
        if line.of == of:
            lines.append(line)
        else:
            others = True
    keys = dict(pinned) if pinned is not None else by_id(_own_keys(lines))
    heads: list[Head] = []
    seals: list[Seal] = []
    damaged: list[str] = []
    for line in lines:
        if isinstance(line, KeyLine):
            continue
        if not _sound(line, keys):
            damaged.append(f"{_named(line)} in the sink is not truly signed by a known key")
        elif isinstance(line, Head):
            heads.append(line)
        else:
            seals.append(line)
    return Sunk(keys, tuple(heads), tuple(seals), tuple(damaged), tuple(unreadable), others)


def _own_keys(lines: Iterable[Line]) -> Iterator[PublicKey]:
    for line in lines:
        if isinstance(line, KeyLine):
            public = PublicKey(line.role, line.raw)
            if public.id == line.key and public.verifies("key", line.signature, _content(line)):
                yield public


def _sound(line: Head | Seal, keys: Keys) -> bool:
    """A head is signed by its writer, a seal by whom it names."""
    key = keys.get(line.key)
    role = role_of(line.writer) if isinstance(line, Head) else line.by
    return key is not None and key.role == role and key.verifies(_purpose(line), line.signature, _content(line))


def _loads(text: str) -> Line:
    said = json.loads(text.strip())
    if not isinstance(said, dict):
        raise ValueError("not an object")  # noqa: TRY004  (hostile data, and no argument of ours)
    kind = _KINDS.get(str(said.pop("what", "")))
    if kind is None:
        raise ValueError("of no known kind")
    return codec.decode(kind, said)


def _named(line: Line) -> str:
    if isinstance(line, Head):
        return f"the head {line.seq} of {line.writer!r}"
    return f"the seal {line.seq} by {line.by!r}" if isinstance(line, Seal) else f"the key of a {line.role!r}"


def _purpose(line: Line) -> str:
    return next(name for name, kind in _KINDS.items() if isinstance(line, kind))


def _content(line: Line) -> bytes:
    return compact({**codec.encode(line), "key": "", "signature": ""})
