"""Label and field selectors, in the language of apimachinery's `labels` and `fields` packages."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from deploy.lab.kubeapi.resources import Resource
from deploy.lab.kubeapi.status import bad_request
from deploy.lab.kubeapi.store import Api

Matches = Callable[[Api], bool]

_PARTS = re.compile(r",(?![^()]*\))")
_SET = re.compile(r"(\S+)\s+(in|notin)\s*\(([^()]*)\)")
_EQUAL = re.compile(r"([^=!\s]+)\s*(==|!=|=)\s*(\S*)")
_EXISTS = re.compile(r"(!?)\s*([^=!\s()]+)")


def selector(resource: Resource, labels: str, fields: str) -> Matches:
    """Whether an object is selected by both. Raises `RefusalError` (400) for what the API does not understand."""
    wanted = [_label(part.strip()) for part in _PARTS.split(labels) if part.strip()]
    wanted += [_field(resource, part.strip()) for part in fields.split(",") if part.strip()]
    return lambda obj: all(matches(obj) for matches in wanted)


def _label(part: str) -> Matches:
    if match := _SET.fullmatch(part):
        key, operator, values = match[1], match[2], {v.strip() for v in match[3].split(",")}
        return lambda obj: (_labels(obj).get(key) in values) == (operator == "in")
    if match := _EQUAL.fullmatch(part):
        key, operator, value = match.groups()
        return lambda obj: (_labels(obj).get(key) == value) == (operator != "!=")
    if match := _EXISTS.fullmatch(part):
        absent, key = bool(match[1]), match[2]
        return lambda obj: (key not in _labels(obj)) == absent
    raise bad_request(f"unable to parse requirement: {part}")


def _field(resource: Resource, part: str) -> Matches:
    match = _EQUAL.fullmatch(part)
    if not match:
        raise bad_request(f"invalid selector: '{part}'; can't understand '{part}'")
    path, operator, value = match.groups()
    known = ("metadata.name", *(("metadata.namespace",) if resource.namespaced else ()), *resource.fields)
    if path not in known:
        raise bad_request(f'field label not supported: "{path}"')
    return lambda obj: (_at(obj, path) == value) == (operator != "!=")


def _labels(obj: Api) -> Mapping[str, str]:
    return obj["metadata"].get("labels") or {}


def _at(obj: Api, path: str) -> str:
    """The field as text; the API compares unset ones as the empty string."""
    found: Any = obj
    for step in path.split("."):
        found = found.get(step) if isinstance(found, dict) else None
    return "" if found is None else str(found).lower() if isinstance(found, bool) else str(found)
