"""The tables of a TOML file, taken apart word by word: what is wrong is said with the line where it stands."""

from __future__ import annotations

import difflib
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workers.errors import UsageError, shown
from workers.values import Duration

_AT_LINE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


class BadPolicy(UsageError):
    """The policy cannot be used; the message starts with the file and the line."""


def read(text: str, source: str) -> Table:
    """The whole file. Raises `BadPolicy` for what is no TOML."""
    try:
        return Table(tomllib.loads(text), Place(source, text))
    except (ValueError, RecursionError) as e:
        at = _AT_LINE.search(str(e))
        line = int(at[1]) if at and at[1] else _first_wrong(text, type(e))
        column = f" (column {at[2]})" if at and at[2] else ""
        raise BadPolicy(f"{source}:{line}: {_AT_LINE.sub('', str(e))}{column}") from e


def _first_wrong(text: str, kind: type[Exception]) -> int:
    """The line with which the error begins that names none; it is the last one where the text ends too early."""
    lines = text.splitlines()
    for number in range(1, len(lines)):
        try:
            tomllib.loads("\n".join(lines[:number]))
        except tomllib.TOMLDecodeError:
            continue
        except kind:
            return number
    return max(len(lines), 1)


@dataclass(frozen=True)
class Place:
    """Where a table stands: from the line `header`, 0 for the top of the file, to the line `end`; `name` is its dotted one."""

    source: str
    text: str
    header: int = 0
    end: int = sys.maxsize
    name: str = ""

    def table(self, key: str, number: int = 0) -> Place:
        """Where this one's nth table of that name stands; the line of the key where it is written in another way than [key]."""
        name = f"{self.name}.{key}".lstrip(".")
        heads = [n for n, line in self._lines() if _is_header(line, name)]
        if number >= len(heads):
            return Place(self.source, self.text, self.line(key), self.line(key), name)
        end = heads[number + 1] - 1 if number + 1 < len(heads) else self.end
        return Place(self.source, self.text, heads[number], end, name)

    def line(self, key: str) -> int:
        """That of the key within the table, else that of the table."""
        own, name = True, f"{self.name}.{key}".lstrip(".")
        for number, line in self._lines():
            own = own and not line.lstrip().startswith("[")
            if _is_header(line, name) or (own and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]", line)):
                return number
        return max(self.header, 1)

    def _lines(self) -> Iterator[tuple[int, str]]:
        numbered = enumerate(self.text.splitlines(), 1)
        return ((number, line) for number, line in numbered if self.header < number <= self.end)


@dataclass(frozen=True)
class Fits:
    """What the texts of a list must be: how that is told, how it is said, and the words that are sure to fit."""

    test: Callable[[str], bool]
    what: str
    known: tuple[str, ...] = ()

    @classmethod
    def pattern(cls, pattern: re.Pattern[str], what: str) -> Fits:
        """Texts that the pattern describes whole."""
        return cls(lambda text: bool(pattern.fullmatch(text)), what)


@dataclass(frozen=True)
class Table:
    """A table of the file and where it stands; everything taken from it is checked. All raise `BadPolicy`."""

    data: Mapping[str, Any]
    place: Place

    def wrong(self, key: str, why: str) -> BadPolicy:
        """The error for what is said under that key."""
        return BadPolicy(f"{self.place.source}:{self.place.line(key)}: {key if key.isidentifier() else shown(key)}: {why}")

    def only(self, *known: str) -> None:
        """Nothing else is said here."""
        for key in self.data:
            if key not in known:
                hint = _near(key, known).removeprefix("; ") or f"known: {', '.join(known)}"
                raise self.wrong(key, f"is not known here; {hint}")

    def tables(self, key: str) -> list[Table]:
        """Each [[key]]."""
        found = self.data.get(key, [])
        if not isinstance(found, list) or not all(isinstance(table, dict) for table in found):
            raise self.wrong(key, f"must be written as [[{key}]]")
        return [Table(table, self.place.table(key, number)) for number, table in enumerate(found)]

    def table(self, key: str) -> Table | None:
        """The [key], also written as `key = {...}`."""
        found = self.data.get(key)
        if found is not None and not isinstance(found, dict):
            raise self.wrong(key, f"must be written as [{key}] or {key} = {{...}}")
        return None if found is None else Table(found, self.place.table(key))

    def text(self, key: str, *, required: bool = True) -> str:
        """A text; "" where it may be left out and is."""
        value = self.data.get(key, "")
        if not isinstance(value, str) or not value.isprintable() or (required and not value):
            raise self.wrong(key, "must be a text between quotes")
        return value

    def texts(self, key: str, fits: Fits, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Texts, each of which fits."""
        values = self.data.get(key, list(default))
        if not isinstance(values, list) or not values:
            raise self.wrong(key, "must be a list with something in it")
        for value in values:
            if not isinstance(value, str) or not fits.test(value):
                raise self.wrong(key, f"{shown(str(value))} must be {fits.what}{_near(value, fits.known)}")
        return tuple(values)

    def flag(self, key: str) -> bool:
        """True or false; false where it is left out."""
        value = self.data.get(key, False)
        if not isinstance(value, bool):
            raise self.wrong(key, "must be true or false")
        return value

    def number(self, key: str, default: int, most: int) -> int:
        """A whole number from 1 on."""
        value = self.data.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise self.wrong(key, f"must be a whole number from 1 to {most}")
        return value

    def seconds(self, key: str, default: float, most_s: float) -> float:
        """A span such as "10m"."""
        if key not in self.data:
            return default
        text = self.text(key)
        try:
            span = Duration.parse(text).seconds
        except UsageError as e:
            raise self.wrong(key, e.problem) from e
        if not 0 < span <= most_s:
            raise self.wrong(key, f"must be longer than nothing and at most {most_s / 3600:g}h")
        return span


def _near(value: object, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(value), known, 1)
    return f"; did you mean {near[0]}?" if near else ""


def _is_header(line: str, name: str) -> bool:
    """Whether the line is `[name]` or `[[name]]`."""
    dotted = r"\s*\.\s*".join(map(re.escape, name.split(".")))
    return bool(re.match(rf"\s*\[\[?\s*{dotted}\s*\]", line))
