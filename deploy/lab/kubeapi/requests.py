"""What a request wants, from its method and path (kubernetes.io, API Concepts, "Resource URIs")."""

import re
from collections.abc import Mapping

from deploy.lab.kubeapi.rights import Request

_PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/(?P<version>[^/]+)(?:/namespaces/(?P<namespace>[^/]+))?/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?"
)
_NAMESPACES = re.compile(r"/api/(?P<version>v1)/(?P<plural>namespaces)(?:/(?P<name>[^/]+))?")
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


def understood(method: str, path: str, query: Mapping[str, str]) -> tuple[Request, str] | None:
    """What is wanted, and the version of its API group; None for a path that names no resource."""
    match = _NAMESPACES.fullmatch(path) or _PATH.fullmatch(path)
    if not match:
        return None
    parts = {key: value or "" for key, value in match.groupdict().items()}
    name = parts.get("name", "")
    if method == "GET":
        watching = query.get("watch") in ("true", "1")
        verb = "watch" if watching else "get" if name else "list"
    else:
        verb = _VERBS.get(method, method.lower())
    return Request(verb, parts.get("group", ""), parts["plural"], parts.get("namespace", ""), name), parts["version"]
