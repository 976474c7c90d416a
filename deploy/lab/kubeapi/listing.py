"""Lists: whole, or in pages that all show the moment of the first one.

Source: kubernetes.io, API Concepts, "Retrieving large results sets in chunks".
"""

import base64
import binascii
import json
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from deploy.lab.kubeapi.resources import Resource
from deploy.lab.kubeapi.selectors import selector
from deploy.lab.kubeapi.status import bad_request, expired, too_large
from deploy.lab.kubeapi.store import Api, Store

_MOMENTS = 32
"""How many lists that somebody is still paging through are remembered; older ones expire."""


class Lists:
    """Answers list requests from a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._moments: OrderedDict[tuple[str, int], list[Api]] = OrderedDict()

    def expire(self) -> None:
        """Make every continue token too old."""
        self._moments.clear()

    def answer(self, resource: Resource, namespace: str, query: Mapping[str, str]) -> dict[str, Any]:
        """The `List` object. Raises `RefusalError`."""
        version, start, moment = self._moment(resource, query)
        matches = selector(resource, query.get("labelSelector", ""), query.get("fieldSelector", ""))
        chosen = [o for o in moment if (not namespace or o["metadata"].get("namespace") == namespace) and matches(o)]
        limit = number(query, "limit") or len(chosen)
        page, left = chosen[start : start + limit], max(0, len(chosen) - start - limit)
        metadata: dict[str, Any] = {"resourceVersion": str(version)}
        if left:
            metadata |= {"continue": _token(version, start + limit)}
            if not (query.get("labelSelector") or query.get("fieldSelector")):
                metadata |= {"remainingItemCount": left}
            self._remember((resource.plural, version), moment)
        items = [{k: v for k, v in o.items() if k not in ("kind", "apiVersion")} for o in page]
        return {"kind": f"{resource.kind}List", "apiVersion": resource.api_version, "metadata": metadata, "items": items}

    def _moment(self, resource: Resource, query: Mapping[str, str]) -> tuple[int, int, list[Api]]:
        if token := query.get("continue"):
            version, start = _read_token(token)
            kept = self._moments.get((resource.plural, version))
            if kept is None:
                raise expired("The provided continue parameter is too old to display a consistent list result.")
            return version, start, kept
        version, objects = self._store.at(resource)
        asked = number(query, "resourceVersion")
        if asked > version:
            raise too_large(asked, version)
        if query.get("resourceVersionMatch") == "Exact" and asked != version:
            raise expired(f"The resourceVersion for the provided list is too old: {asked}")
        return version, 0, objects

    def _remember(self, key: tuple[str, int], moment: list[Api]) -> None:
        self._moments[key] = moment
        self._moments.move_to_end(key)
        while len(self._moments) > _MOMENTS:
            self._moments.popitem(last=False)


def number(query: Mapping[str, str], name: str) -> int:
    """A parameter that is a whole number, 0 where it is not given. Raises `RefusalError` (400)."""
    text = query.get(name) or "0"
    if not (text.isascii() and text.isdecimal()):
        raise bad_request(f'invalid value for parameter "{name}": {text!r}')
    return int(text)


def _token(version: int, start: int) -> str:
    return base64.urlsafe_b64encode(json.dumps({"rv": version, "start": start}).encode()).decode()


def _read_token(token: str) -> tuple[int, int]:
    try:
        said = json.loads(base64.urlsafe_b64decode(token))
        return int(said["rv"]), int(said["start"])
    except (binascii.Error, ValueError, KeyError, TypeError) as e:
        raise bad_request(f"continue key is not valid: {e}") from e
