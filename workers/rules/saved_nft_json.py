"""What `nft -j list ruleset` prints, as the same records that its text gives (libnftables-json(5)).

Only what kube-proxy writes is turned into text; of any other statement the rule keeps its JSON and says that it was not read.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Mapping
from typing import Any

from node_helper.netfilter.records import Chain, Element, Map, Rule, Ruleset, Table
from workers.rules.errors import Malformed

_SHOWN = 80
Key = tuple[str, str, str]
"""Family, table, name."""


class _Unread(Exception):
    """A statement or expression that is not turned into text."""


def parse(text: str) -> Ruleset:
    """Every table. Raises `Malformed`."""
    try:
        return _ruleset(json.loads(text)["nftables"])
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as e:
        raise Malformed(f"not what nft -j prints: {type(e).__name__}: {str(e)[:_SHOWN]}") from e


def _ruleset(objects: list[Mapping[str, Any]]) -> Ruleset:
    tables: dict[tuple[str, str], bool] = {}
    chains: dict[Key, Mapping[str, Any]] = {}
    rules: dict[Key, list[Rule]] = {}
    maps: dict[Key, Map] = {}
    for entry in objects:
        for kind, said in entry.items():
            if kind == "table":
                tables[said["family"], said["name"]] = "dormant" in said.get("flags", ())
            elif kind == "chain":
                chains[said["family"], said["table"], said["name"]] = said
            elif kind == "rule":
                rules.setdefault((said["family"], said["table"], said["chain"]), []).append(_rule(said))
            elif kind in ("set", "map"):
                maps[said["family"], said["table"], said["name"]] = _map(said)
    if set(rules) - set(chains):
        raise Malformed(f"rules of a chain that is not there: {next(iter(set(rules) - set(chains)))}")
    return Ruleset(
        "nftables",
        tuple(
            Table(
                *table,
                tuple(_chain(said, rules.get(key, [])) for key, said in chains.items() if key[:2] == table),
                tuple(one for key, one in maps.items() if key[:2] == table),
                dormant,
            )
            for table, dormant in tables.items()
        ),
    )


def _chain(said: Mapping[str, Any], rules: list[Rule]) -> Chain:
    hook = ""
    if "hook" in said:
        hook = f"type {said['type']} hook {said['hook']} priority {said['prio']}; policy {said['policy']};"
    return Chain(str(said["name"]), tuple(rules), said.get("policy", "") if hook else "", hook)


def _map(said: Mapping[str, Any]) -> Map:
    kind = said["type"] if isinstance(said["type"], str) else " . ".join(said["type"])
    value = said.get("map")
    whole = kind if value is None else f"{kind} : {value if isinstance(value, str) else ' . '.join(value)}"
    elements = tuple(_element(each) for each in said.get("elem", ()))
    return Map(str(said["name"]), whole, elements, said.get("timeout"))


def _element(said: Any) -> Element:
    """A key, or a key and its value."""
    try:
        if isinstance(said, list):
            key, value = said
            return Element(_expression(key), _expression(value))
        return Element(_expression(said))
    except _Unread as e:
        raise Malformed(f"an element that is not understood: {e}") from e


def _rule(said: Mapping[str, Any]) -> Rule:
    packets = size = None
    words: list[str] = []
    unread: list[str] = []
    for statement in said.get("expr", ()):
        ((kind, what),) = statement.items()
        if kind == "counter" and isinstance(what, dict):
            packets, size = what["packets"], what["bytes"]
        try:
            words.append(_statement(kind, what))
        except _Unread:
            words.append(json.dumps(statement))
            unread.append(kind)
    if "comment" in said:
        words.append(f'comment "{said["comment"]}"')
    return Rule(" ".join(words), packets, size, tuple(unread))


def _statement(kind: str, what: Any) -> str:
    if kind in ("accept", "drop", "return", "counter"):
        return kind
    if kind in ("jump", "goto"):
        return f"{kind} {what['target']}"
    if kind not in _STATEMENTS:
        raise _Unread(kind)
    return _STATEMENTS[kind](what)


def _match(what: Mapping[str, Any]) -> str:
    left, right, op = _expression(what["left"]), what["right"], what["op"]
    masked = "&" in what["left"] if isinstance(what["left"], dict) else False
    said = _number(right) if masked else _expression(right)
    if op not in ("==", "!=", "in"):
        raise _Unread(op)
    return f"{left} {op} {said}" if op == "!=" or masked else f"{left} {said}"


def _mangle(what: Mapping[str, Any]) -> str:
    return f"{_expression(what['key'])} set {_expression(what['value'])}"


def _dnat(what: Mapping[str, Any]) -> str:
    family = f" {what['family']}" if "family" in what else ""
    if set(what) - {"family", "addr", "port"}:
        raise _Unread("dnat")
    if "port" not in what:
        return f"dnat{family} to {_expression(what['addr'])}"
    address = str(ipaddress.ip_address(what["addr"]))
    return f"dnat{family} to {f'[{address}]' if ':' in address else address}:{what['port']}"


def _vmap(what: Mapping[str, Any]) -> str:
    return f"{_expression(what['key'])} vmap {_expression(what['data'])}"


def _reject(what: Mapping[str, Any] | None) -> str:
    if what is None or what.get("expr") == "port-unreachable":
        return "reject"
    return f"reject with {what['type']}" + (f" {what['expr']}" if "expr" in what else "")


def _masquerade(what: Mapping[str, Any] | None) -> str:
    flags = (what or {}).get("flags", [])
    return " ".join(["masquerade", *([",".join([flags] if isinstance(flags, str) else flags)] if flags else [])])


def _update(what: Mapping[str, Any]) -> str:
    return f"{what['op']} {what['set']} {{ {_expression(what['elem'])} }}"


_STATEMENTS: Mapping[str, Callable[[Any], str]] = {
    "match": _match, "mangle": _mangle, "dnat": _dnat, "vmap": _vmap, "reject": _reject, "masquerade": _masquerade,
    "set": _update,
}  # fmt: skip


def _expression(what: Any) -> str:
    if isinstance(what, str):
        return what
    if isinstance(what, int) and not isinstance(what, bool):
        return str(what)
    if not isinstance(what, dict) or len(what) != 1:
        raise _Unread(json.dumps(what)[:_SHOWN])
    ((kind, said),) = what.items()
    if kind in ("accept", "drop", "return"):
        return str(kind)
    if kind not in _EXPRESSIONS:
        raise _Unread(kind)
    return _EXPRESSIONS[kind](said)


def _numgen(said: Mapping[str, Any]) -> str:
    return f"numgen {said['mode']} mod {said['mod']}" + (f" offset {said['offset']}" if said.get("offset") else "")


def _set(said: list[Any]) -> str:
    pairs = [" : ".join(map(_expression, each)) if isinstance(each, list) else _expression(each) for each in said]
    return f"{{ {', '.join(pairs)} }}"


def _on_mark(sign: str) -> Callable[[Any], str]:
    return lambda said: f"{_expression(said[0])} {sign} {_number(said[1])}"


def _number(said: Any) -> str:
    """A mark, as nft prints it."""
    return f"0x{said:08x}" if isinstance(said, int) else _expression(said)


_EXPRESSIONS: Mapping[str, Callable[[Any], str]] = {
    "payload": lambda said: f"{said['protocol']} {said['field']}",
    "meta": lambda said: f"meta {said['key']}",
    "ct": lambda said: f"ct {said['key']}",
    "fib": lambda said: f"fib {' . '.join(said['flags'])} {said['result']}",
    "prefix": lambda said: f"{said['addr']}/{said['len']}",
    "concat": lambda said: " . ".join(map(_expression, said)),
    "range": lambda said: "-".join(map(_expression, said)),
    "elem": lambda said: _expression(said["val"]),
    "goto": lambda said: f"goto {said['target']}",
    "jump": lambda said: f"jump {said['target']}",
    "numgen": _numgen,
    "map": lambda said: f"{_expression(said['key'])} map {_expression(said['data'])}",
    "set": _set,
    "|": _on_mark("|"), "&": _on_mark("&"), "^": _on_mark("^"),
}  # fmt: skip
