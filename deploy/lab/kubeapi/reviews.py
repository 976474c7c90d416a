"""SelfSubjectAccessReview and SelfSubjectRulesReview, answered from the rules that are in force (authorization.k8s.io/v1)."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from deploy.lab.kubeapi.rights import Request, Rule
from deploy.lab.kubeapi.status import bad_request

PATHS = {
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews": "SelfSubjectAccessReview",
    "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews": "SelfSubjectRulesReview",
}


def answer(path: str, body: bytes, rules: Iterable[Rule], allows: Callable[[Request], bool]) -> dict[str, Any]:
    """The review with its status. Raises `RefusalError` (400)."""
    try:
        spec = json.loads(body)["spec"]
        kind = PATHS[path]
        status = _access(spec, allows) if kind == "SelfSubjectAccessReview" else _rules(spec, rules)
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise bad_request(f"the body is not a review: {e}") from e
    return {"kind": kind, "apiVersion": "authorization.k8s.io/v1", "metadata": {}, "spec": spec, "status": status}


def _access(spec: dict[str, Any], allows: Callable[[Request], bool]) -> dict[str, Any]:
    wanted = spec["resourceAttributes"]
    parts = (wanted.get(key) or "" for key in ("verb", "group", "resource", "namespace", "name"))
    allowed = allows(Request(*parts))
    return {"allowed": allowed, **({"reason": "RBAC: allowed by the lab's rules"} if allowed else {})}


def _rules(spec: dict[str, Any], rules: Iterable[Rule]) -> dict[str, Any]:
    said = [
        {
            "verbs": list(rule.verbs),
            "apiGroups": list(rule.groups),
            "resources": list(rule.resources),
            **({"resourceNames": list(rule.names)} if rule.names else {}),
        }
        for rule in rules
        if rule.namespace in (None, spec["namespace"])
    ]
    return {"resourceRules": said, "nonResourceRules": [], "incomplete": False}
