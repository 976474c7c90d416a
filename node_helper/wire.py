"""The lines that worker and helper exchange: JSON objects, one a line, at most `MAX_LINE` bytes. Pure.

What a worker says is read here; what a helper says is written by `node_helper.look` and read by `workers.nodes.replies`. Whatever
a line holds, reading it costs time and memory proportional to its length.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields, replace
from typing import Any, Optional, TypeVar, Union

from node_helper import codec
from node_helper.codec import Malformed

T = TypeVar("T")
MAX_LINE = 1 << 20
_MOST_DIGITS = 20
_TRACE = re.compile(r"[A-Za-z0-9._:-]{0,128}")


@dataclass(frozen=True)
class Asked:
    """A question. `seconds` and `memory_mb` are its limits on the node; `credit` is how many parts the reader takes unasked.

    With `again_after` the answer is two samples, so many seconds apart. `query` is the JSON value of the fact's query.
    """

    id: int
    ask: str
    schema: str
    seconds: float
    memory_mb: int = 128
    trace: str = ""
    credit: int = 8
    again_after: Optional[float] = None
    query: Any = None

    def __post_init__(self) -> None:
        _within("seconds", self.seconds, 0.001, 3600)
        _within("memory_mb", self.memory_mb, 1, 1 << 16)
        _within("credit", self.credit, 1, 1024)
        _within("again_after", self.again_after or 0, 0, self.seconds)
        if not _TRACE.fullmatch(self.trace):
            raise ValueError("trace is not a word of at most 128 letters")


@dataclass(frozen=True)
class Credit:
    """The reader took so many parts more."""

    id: int
    credit: int

    def __post_init__(self) -> None:
        _within("credit", self.credit, 1, 1024)


@dataclass(frozen=True)
class Cancel:
    """Stop the work for real; answered by `Cannot` of kind ``cancelled``, unless the answer was already on its way."""

    id: int
    cancel: bool = True


Request = Union[Asked, Credit, Cancel]


@dataclass(frozen=True)
class Hello:
    """What the helper says first: who it is and what this node can do. `schemas` are of the facts that it knows, by name.

    `backends` tells which parts of the kernel are in use here, looked up in /proc and /sys so that nothing is created by looking.
    `installed` is false for a helper that was pushed for trying out; only an installed one may have `changes`.
    """

    helper: str
    schemas: dict[str, str]
    hostname: str
    machine_id: str
    kernel: str
    python: str
    root: bool
    installed: bool
    changes: bool
    backends: dict[str, bool]
    journal: tuple[str, ...] = ()


def read_request(line: bytes) -> Request:
    """What a worker wants. Raises `Malformed`."""
    data = json_object(line)
    if "ask" in data:
        return with_raw(Asked, data, "query")
    return codec.decode(Cancel, data) if "cancel" in data else codec.decode(Credit, data)


def line(data: dict[str, Any]) -> bytes:
    """One JSON object as a line of ASCII."""
    return text(data).encode() + b"\n"


def text(data: Any) -> str:
    """Compact JSON; `ValueError` for numbers that JSON does not have."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False)


def request_line(request: Request) -> bytes:
    """A request as it crosses the wire."""
    return line({f.name: getattr(request, f.name) for f in fields(request)})


def renumbered(asked: Asked, number: int) -> Asked:
    """The same question under the number that its connection gives it."""
    return replace(asked, id=number)


def hello_line(hello: Hello) -> bytes:
    """The first line of a helper."""
    return line({"hello": codec.encode(hello)})


def cannot_line(number: Optional[int], kind: str, reason: str, fix: str = "") -> bytes:
    """A refusal of one question, or of the connection when `number` is None."""
    refusal: dict[str, Any] = {"cannot": {"kind": kind, "reason": reason[:2000], "fix": fix[:2000]}}
    return line(refusal if number is None else {"id": number, **refusal})


class Lines:
    """Bytes in, whole lines out; a line longer than `MAX_LINE` is `Malformed`, after which nothing can be read any more."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that these bytes complete, without their ends."""
        *whole, rest = data.split(b"\n")
        if whole:
            whole[0] = bytes(self._rest) + whole[0]
            self._rest = bytearray(rest)
        else:
            self._rest += rest
        if len(self._rest) > MAX_LINE or any(len(one) > MAX_LINE for one in whole):
            raise Malformed(f"a line of more than {MAX_LINE} bytes")
        return whole


def value(data: bytes) -> Any:
    """The value of a JSON text. Raises `Malformed`."""
    try:
        return json.loads(data, parse_int=_int, parse_constant=_no_constant)
    except (ValueError, RecursionError) as e:
        raise Malformed(f"not JSON: {type(e).__name__}") from e


def json_object(line: bytes) -> dict[str, Any]:
    """The object that a line holds. Raises `Malformed`."""
    data = value(line)
    if not isinstance(data, dict):
        raise Malformed("not a JSON object")
    return data


def with_raw(shape: type[T], data: dict[str, Any], raw: str) -> T:
    """A record one of whose fields is any JSON value, decoded later by the fact's own shape."""
    known = codec.decode(shape, {k: v for k, v in data.items() if k != raw})
    object.__setattr__(known, raw, data.get(raw))
    return known


def _int(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:  # int() of a long text costs the square of its length before Python 3.11
        raise ValueError("a number of too many digits")
    return int(digits)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _within(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise ValueError(f"{name} {value} is not between {least} and {most}")
