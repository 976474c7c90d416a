"""The words after a verb, each at its place: arguments by their names, bare words in their order, namespace and cluster."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from bot.nearest import nearest
from workers.errors import UsageError, shown
from workers.params import ALL, PREPOSITIONS, YES, Argument, Namespace, arguments
from workers.phrase import MODIFIERS

_NAMESPACE = MODIFIERS - {"cluster"}


@dataclass
class Sentence:
    """What was said. `bare` are the words without a name or preposition; a selector such as `app=web` is one of them."""

    known: tuple[Argument, ...]
    named: dict[str, str] = field(default_factory=dict)
    bare: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, params: type, said: list[str]) -> Sentence:
        """Put every word at its place. Raises `UsageError` for a preposition that means nothing or lacks its word."""
        sentence = cls(arguments(params))
        rest = deque(sentence._spoken(said))
        while rest:
            sentence._take(rest.popleft(), rest)
        return sentence

    @property
    def namespace(self) -> str | None:
        """What `in NS` and its like said, where no argument of the command has taken it."""
        return self.named.get("namespace") if "namespace" not in self._names else None

    @property
    def cluster(self) -> str | None:
        """What `cluster=` said, likewise."""
        return self.named.get("cluster") if "cluster" not in self._names else None

    def arguments(self) -> dict[str, str]:
        """The words of each argument by its name. Raises `UsageError` for the first bare one that is wrong or left over."""
        said = {name: value for name, value in self.named.items() if name in self._names}
        free = deque(a for a in self.known if a.positional and a.name not in said)
        for word in self.bare:
            if not free or _is_flag(word):
                raise self._left_over(word)
            argument = free.popleft()
            argument.parse(word)
            said[argument.name] = word
        return said

    @property
    def _names(self) -> set[str]:
        return {a.name for a in self.known}

    @property
    def _namespace_argument(self) -> str:
        return next((a.name for a in self.known if a.kind is Namespace), "")

    def _spoken(self, said: list[str]) -> list[str]:
        """All but the words of an argument that takes the rest, which are no part of the grammar."""
        last = next((a for a in self.known if a.arg.rest), None)
        if last is None or len(said) < len(self.known):
            return said
        before = len(self.known) - 1
        self.named[last.name] = " ".join(said[before:])
        return said[:before]

    @property
    def _flags(self) -> set[str]:
        return {a.name for a in self.known if a.flag}

    def _take(self, word: str, rest: deque[str]) -> None:
        name, equals, value = word.partition("=")
        key = self._key(name)
        if key in self._flags and not equals:
            self._say(key, YES, word)
        elif key and (equals or _is_flag(word)):
            self._say(key, value if equals else _next(word, rest), word)
        elif word.lower() == ALL and self._namespace_argument:  # as kubectl says it; no namespace is said bare
            self._say(self._namespace_argument, ALL, word)
        elif word.lower() in PREPOSITIONS:
            self._say(self._preposition(word.lower()), _next(word, rest), word)
        else:
            self.bare.append(word)

    def _say(self, name: str, value: str, word: str) -> None:
        if name in self.named:
            raise UsageError(f"{shown(word)}: {name.replace('_', ' ')} is said twice")
        self.named[name] = value

    def _key(self, name: str) -> str | None:
        """The argument or modifier that this name says, in any case and with `-` for `_`."""
        key = name.lower().lstrip("-").replace("-", "_")
        if key in self._names:
            return key
        return "namespace" if key in _NAMESPACE else "cluster" if key == "cluster" else None

    def _preposition(self, word: str) -> str:
        for a in self.known:
            if a.arg.word == word:
                return a.name
        if word == "in":
            return "namespace"
        taken = tuple(a.arg.word for a in self.known if a.arg.word)
        raise UsageError(f"{shown(word)} means nothing here", nearest=taken)

    def _left_over(self, word: str) -> UsageError:
        """Blames the word that looks like a misspelt argument, if there is one."""
        wrong = next((w for w in self.bare if "=" in w), word)
        name, equals, _ = wrong.partition("=")
        if equals or _is_flag(wrong):
            return UsageError(f"{shown(name)} is not an argument here", nearest=self._near(name.lstrip("-")))
        meant = tuple(filter(None, (self._meant(a, wrong) for a in self.known)))
        return UsageError(f"{shown(wrong)} is one word too many", nearest=meant or self._near(wrong))

    def _meant(self, argument: Argument, word: str) -> str:
        """How the word would be said for this argument, "" where it would not fit."""
        if argument.name in self.named or argument.positional or not (argument.choices or argument.arg.word):
            return ""
        try:
            argument.parse(word)
        except UsageError:
            return ""
        return f"{argument.arg.word} {word}" if argument.arg.word else f"{argument.name}={word}"

    def _near(self, name: str) -> tuple[str, ...]:
        names = [a.name for a in self.known if not a.arg.word] + [a.arg.word for a in self.known if a.arg.word]
        optional = {a.name for a in self.known if not (a.positional or a.arg.word or a.flag)}
        return tuple(f"{near}=" if near in optional else near for near in nearest(name.lower(), names))


def _is_flag(word: str) -> bool:
    """A word such as `--key` or `-n`; a number below zero is none."""
    return word.startswith("-") and bool(word.strip("-")) and not word[1].isdigit()


def _next(word: str, rest: deque[str]) -> str:
    if not rest:
        raise UsageError(f"something is missing after {shown(word)}")
    value = rest.popleft()
    while rest and (value.endswith(",") or rest[0].startswith(",")):  # a list with spaces beside its commas
        value += rest.popleft()
    return value
