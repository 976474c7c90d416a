"""Frozen dataclasses to JSON values and back, by their declared types, strictly.

Understood: str, int, float, bool, None, Optional, Union of dataclasses' plain members, tuple[X, ...], dict[str, X], Enum,
Literal and dataclasses of these. A value of another type, a missing field without a default and an unknown field are `Malformed`.
"""

from __future__ import annotations

import enum
import hashlib
import types
import typing
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, Union

T = TypeVar("T")
_PLAIN = (str, int, float, bool, type(None))
_UNIONS = (Union, getattr(types, "UnionType", Union))
"""Python 3.9 has only the first; records of bot and workers are written `X | None`."""


class Malformed(ValueError):
    """The data does not have the declared shape; the message says where."""


def encode(value: object) -> Any:
    """JSON-ready values of a dataclass, tuple, dict, enum or plain value."""
    if isinstance(value, enum.Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: encode(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, (tuple, list)):
        return [encode(v) for v in value]
    if isinstance(value, dict):
        return {str(k): encode(v) for k, v in value.items()}
    if isinstance(value, _PLAIN):
        return value
    raise TypeError(f"{type(value).__name__} does not cross the wire")


def decode(shape: type[T], data: object) -> T:
    """The value of type `shape` that `data` describes. Raises `Malformed`."""
    value: T = _decode(shape, data, shape.__name__)
    return value


def schema(*shapes: type) -> str:
    """12 hex digits that change exactly when a field's name or type, at any depth, does."""
    seen: set[type] = set()
    text = ";".join(_describe(shape, seen) for shape in shapes)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@cache
def _hints(shape: type) -> dict[str, Any]:
    return typing.get_type_hints(shape)


def _decode(shape: Any, data: Any, where: str) -> Any:
    origin = typing.get_origin(shape)
    if is_dataclass(shape) and isinstance(shape, type):
        return _record(shape, data, where)
    if origin in _UNIONS:
        return _one_of(typing.get_args(shape), data, where)
    if origin is tuple:
        _expect(isinstance(data, list), where, "a list", data)
        return tuple(_decode(typing.get_args(shape)[0], v, f"{where}[{i}]") for i, v in enumerate(data))
    if origin is dict:
        _expect(isinstance(data, dict), where, "an object", data)
        return {k: _decode(typing.get_args(shape)[1], v, f"{where}.{k}") for k, v in data.items()}
    if origin is typing.Literal:
        _expect(data in typing.get_args(shape), where, f"one of {typing.get_args(shape)}", data)
        return data
    if isinstance(shape, type) and issubclass(shape, enum.Enum):
        try:
            return shape(data)
        except ValueError as e:
            raise Malformed(f"{where}: {e}") from e
    return _plain(shape, data, where)


def _record(shape: Any, data: Any, where: str) -> Any:
    _expect(isinstance(data, dict), where, "an object", data)
    hints = _hints(shape)
    known = {f.name: f for f in fields(shape)}
    for name in data:
        _expect(name in known, where, "no field", name)
    values = {}
    for name, field in known.items():
        if name in data:
            values[name] = _decode(hints[name], data[name], f"{where}.{name}")
        elif field.default is MISSING and field.default_factory is MISSING:
            raise Malformed(f"{where}.{name}: missing")
    try:
        return shape(**values)
    except ValueError as e:
        raise Malformed(f"{where}: {e}") from e


def _one_of(shapes: tuple[Any, ...], data: Any, where: str) -> Any:
    if data is None and type(None) in shapes:
        return None
    problems = []
    for shape in shapes:
        if shape is not type(None):
            try:
                return _decode(shape, data, where)
            except Malformed as e:
                problems.append(str(e))
    raise Malformed("; ".join(problems) or f"{where}: null")


def _plain(shape: Any, data: Any, where: str) -> Any:
    if shape is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    fits = data is None if shape in (None, type(None)) else type(data) is shape
    _expect(fits, where, getattr(shape, "__name__", str(shape)), data)
    return data


def _expect(ok: bool, where: str, wanted: str, data: Any) -> None:  # noqa: FBT001  (reads as an assertion)
    if not ok:
        raise Malformed(f"{where}: expected {wanted}, found {str(data)[:80]!r}")


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
