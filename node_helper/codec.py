"""Frozen dataclasses to JSON values and back, by their declared types, strictly.

Understood: str, int, float, bool, None, Optional, Union of dataclasses' plain members, tuple[X, ...], dict[str, X], Enum,
Literal and dataclasses of these. A value of another type, a missing field without a default and an unknown field are `Malformed`.
"""

from __future__ import annotations

import enum
import types
import typing
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Callable, TypeVar, Union

T = TypeVar("T")
Reader = Callable[[Any], Any]
_PLAIN = (str, int, float, bool, type(None))
_UNIONS = (Union, getattr(types, "UnionType", Union))
"""Python 3.9 has only the first; records of bot and workers are written `X | None`."""


class Malformed(ValueError):
    """The data does not have the declared shape; the message says where."""

    def __init__(self, problem: str, place: str = "") -> None:
        super().__init__(f"{place}: {problem}" if place else problem)
        self.problem = problem
        self.place = place

    def inside(self, step: str) -> Malformed:
        """The same, said from one step further out."""
        return Malformed(self.problem, step + self.place)


def encode(value: object) -> Any:
    """JSON-ready values of a dataclass, tuple, dict, enum or plain value."""
    shape: Any = type(value)
    return _writer(shape)(value)


def decode(shape: type[T], data: object) -> T:
    """The value of type `shape` that `data` describes. Raises `Malformed`."""
    known: Any = shape
    try:
        value: T = _reader(known)(data)
    except Malformed as e:
        raise e.inside(shape.__name__) from e
    return value


def schema(*shapes: type) -> str:
    """12 hex digits that change exactly when a field's name or type, at any depth, does."""
    return _schema(shapes)


@cache
def _schema(shapes: tuple[type, ...]) -> str:
    import hashlib  # here, because a helper that keeps its schemas has no need of it

    seen: set[type] = set()
    text = ";".join(_describe(shape, seen) for shape in shapes)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@cache
def _hints(shape: type) -> dict[str, Any]:
    return typing.get_type_hints(shape)


@cache
def _writer(shape: type) -> Callable[[Any], Any]:
    """How values of one class are written: found out once."""
    if issubclass(shape, enum.Enum):
        return lambda value: value.value
    if is_dataclass(shape):
        names = tuple(f.name for f in fields(shape))
        return lambda value: {name: encode(getattr(value, name)) for name in names}
    if issubclass(shape, (tuple, list)):
        return lambda value: [encode(v) for v in value]
    if issubclass(shape, dict):
        return lambda value: {str(k): encode(v) for k, v in value.items()}
    if issubclass(shape, _PLAIN):
        return lambda value: value
    raise TypeError(f"{shape.__name__} does not cross the wire")


@cache
def _reader(shape: Any) -> Reader:
    """How data of one declared type is read: found out once."""
    origin, args = typing.get_origin(shape), typing.get_args(shape)
    if is_dataclass(shape) and isinstance(shape, type):
        return _Record(shape)
    if origin in _UNIONS:
        return _one_of(tuple(a for a in args if a is not type(None)), optional=type(None) in args)
    if origin is tuple:
        return _many(args[0])
    if origin is dict:
        return _table(args[1])
    if origin is typing.Literal:
        return _literal(args)
    if isinstance(shape, type) and issubclass(shape, enum.Enum):
        return _enum(shape)
    return _float if shape is float else _plain(type(None) if shape is None else shape)


class _Record:
    """Reads one dataclass. Its fields are looked at when the first one comes, so that a record may hold its own kind."""

    def __init__(self, shape: Any) -> None:
        self._shape = shape
        self._fields: dict[str, Reader] = {}
        self._needed: frozenset[str] = frozenset()

    def __call__(self, data: Any) -> Any:
        if not isinstance(data, dict):
            raise _wrong("an object", data)
        readers, values = self._fields or self._find_fields(), {}
        for name, value in data.items():
            reader = readers.get(name)
            if reader is None:
                raise _wrong("no field", name)
            try:
                values[name] = reader(value)
            except Malformed as e:
                raise e.inside(f".{name}") from e
        for name in self._needed - values.keys():
            raise Malformed("missing", f".{name}")
        try:
            return self._shape(**values)
        except ValueError as e:
            raise Malformed(str(e)) from e

    def _find_fields(self) -> dict[str, Reader]:
        hints, known = _hints(self._shape), fields(self._shape)
        self._needed = frozenset(f.name for f in known if f.default is MISSING and f.default_factory is MISSING)
        self._fields = {f.name: _reader(hints[f.name]) for f in known}
        return self._fields


def _one_of(shapes: tuple[Any, ...], *, optional: bool) -> Reader:
    readers = [_reader(shape) for shape in shapes]

    def read(data: Any) -> Any:
        if data is None and optional:
            return None
        problems = []
        for reader in readers:
            try:
                return reader(data)
            except Malformed as e:
                problems.append(e)
        raise problems[0] if len(problems) == 1 else Malformed("; ".join(map(str, problems)))

    return read


def _many(shape: Any) -> Reader:
    reader = _reader(shape)

    def read(data: Any) -> Any:
        if not isinstance(data, list):
            raise _wrong("a list", data)
        values: list[Any] = []
        try:
            for value in data:
                values.append(reader(value))  # noqa: PERF401  (its length is the place of the one that is malformed)
        except Malformed as e:
            raise e.inside(f"[{len(values)}]") from e
        return tuple(values)

    return read


def _table(shape: Any) -> Reader:
    reader = _reader(shape)

    def read(data: Any) -> Any:
        if not isinstance(data, dict):
            raise _wrong("an object", data)
        values = {}
        for key, value in data.items():
            try:
                values[key] = reader(value)
            except Malformed as e:
                raise e.inside(f".{key}") from e
        return values

    return read


def _literal(allowed: tuple[Any, ...]) -> Reader:
    def read(data: Any) -> Any:
        if data not in allowed:
            raise _wrong(f"one of {allowed}", data)
        return data

    return read


def _enum(shape: type[enum.Enum]) -> Reader:
    def read(data: Any) -> Any:
        try:
            return shape(data)
        except ValueError as e:
            raise Malformed(str(e)) from e

    return read


def _plain(shape: Any) -> Reader:
    def read(data: Any) -> Any:
        if type(data) is not shape:
            raise _wrong(getattr(shape, "__name__", str(shape)), data)
        return data

    return read


def _float(data: Any) -> Any:
    if type(data) is not float and type(data) is not int:
        raise _wrong("float", data)
    return float(data)


def _wrong(wanted: str, data: Any) -> Malformed:
    return Malformed(f"expected {wanted}, found {str(data)[:80]!r}")


def _describe(shape: Any, seen: set[type]) -> str:
    if is_dataclass(shape) and isinstance(shape, type):
        if shape in seen:
            return shape.__name__
        seen.add(shape)
        inside = ",".join(f"{name}:{_describe(hint, seen)}" for name, hint in sorted(_hints(shape).items()))
        return f"{shape.__name__}({inside})"
    if isinstance(shape, type) and issubclass(shape, enum.Enum):
        return f"{shape.__name__}{[m.value for m in shape]}"
    args = ",".join(_describe(a, seen) if not isinstance(a, (str, int)) else repr(a) for a in typing.get_args(shape))
    return f"{_word(typing.get_origin(shape) or shape)}[{args}]"


def _word(shape: Any) -> str:
    """The name of a type; `Union` and `Literal` have none in Python 3.9, and worker and node may run different ones."""
    special = {Union: "Union", typing.Literal: "Literal"}
    return special.get(shape) or str(getattr(shape, "__name__", shape))
