"""What a helper says about a question, read from its lines. Pure; a node is not trusted to write them well."""

from dataclasses import dataclass, fields
from typing import Any

from node_helper import codec
from node_helper.codec import Malformed
from node_helper.wire import Hello, json_object, with_raw


@dataclass(frozen=True)
class Part:
    """The next piece of one zlib stream, in base64, whose content is the JSON text of the answer; costs one credit."""

    id: int
    part: int
    z: str


@dataclass(frozen=True)
class Rows:
    """Some more rows of a `RowFact`; costs one credit."""

    id: int
    rows: tuple[Any, ...]


@dataclass(frozen=True)
class Answer:
    """A whole small answer as JSON value. `took` is elapsed and `cpu` processor time on the node, in seconds."""

    id: int
    took: float
    cpu: float
    answer: Any = None


@dataclass(frozen=True)
class End:
    """There are no more parts or rows."""

    id: int
    took: float
    cpu: float
    end: bool = True


@dataclass(frozen=True)
class Cannot:
    """The refusal to answer, as `CannotLook` says it; without `id` it is about the connection."""

    kind: str
    reason: str
    fix: str = ""
    id: int | None = None


Reply = Part | Rows | Answer | End | Cannot | Hello


def read_reply(line: bytes) -> Reply:
    """What a helper says. Raises `Malformed`."""
    data = json_object(line)
    if "hello" in data:
        return _hello(data["hello"])
    if "cannot" in data:
        return _cannot(data)
    if "answer" in data:
        return with_raw(Answer, data, "answer")
    if "rows" in data:
        return _rows(data)
    return codec.decode(End, data) if "end" in data else codec.decode(Part, data)


def _rows(data: dict[str, Any]) -> Rows:
    rows, number = data["rows"], data.get("id")
    if not isinstance(rows, list) or not isinstance(number, int):
        raise Malformed("rows: expected a list and an id")
    return Rows(number, tuple(rows))


def _cannot(data: dict[str, Any]) -> Cannot:
    if not isinstance(data["cannot"], dict):
        raise Malformed("cannot: expected an object")
    return codec.decode(Cannot, {**data["cannot"], "id": data.get("id")})


def _hello(data: Any) -> Hello:
    """Fields that are not known here are left out: what a newer helper can do more is no reason to refuse it."""
    if not isinstance(data, dict):
        raise Malformed("hello: expected an object")
    known = {f.name for f in fields(Hello)}
    return codec.decode(Hello, {k: v for k, v in data.items() if k in known})
