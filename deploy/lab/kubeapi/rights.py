"""Who may do what: RBAC rules as ClusterRoles and Roles write them (kubernetes.io, Using RBAC Authorization)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from deploy.lab.kubeapi.status import RefusalError

USER = "system:serviceaccount:netcheck:netcheck"


@dataclass(frozen=True)
class Request:
    """What somebody wants to do; `namespace` is "" for the whole cluster, `name` for all objects."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""


@dataclass(frozen=True)
class Rule:
    """One rule of a role; `namespace` is None for a ClusterRole's, which hold everywhere."""

    groups: tuple[str, ...]
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    names: tuple[str, ...] = ()
    namespace: str | None = None

    def allows(self, request: Request) -> bool:
        """Whether this rule alone is enough."""
        return (
            _holds(self.groups, request.group)
            and _holds(self.resources, request.resource)
            and _holds(self.verbs, request.verb)
            and (not self.names or request.name in self.names)
            and self.namespace in (None, request.namespace)
        )


EVERYTHING = (Rule(("*",), ("*",), ("*",)),)


def granted(roles: Iterable[Mapping[str, Any]]) -> tuple[Rule, ...]:
    """The rules of `ClusterRole` and `Role` objects that are all bound; other objects are passed over."""
    return tuple(_rule(role, rule) for role in roles if role["kind"] in ("ClusterRole", "Role") for rule in role["rules"])


def forbidden(request: Request, plural_path: str) -> RefusalError:
    """403, in the words of kube-apiserver."""
    scope = f'in the namespace "{request.namespace}"' if request.namespace else "at the cluster scope"
    what = f'resource "{request.resource}" in API group "{request.group}" {scope}'
    name = f' "{request.name}"' if request.name else ""
    message = f'{plural_path}{name} is forbidden: User "{USER}" cannot {request.verb} {what}'
    details = {"kind": request.resource, **({"group": request.group} if request.group else {})}
    return RefusalError(403, "Forbidden", message, details)


def _rule(role: Mapping[str, Any], rule: Mapping[str, Any]) -> Rule:
    namespace = role["metadata"].get("namespace", "") if role["kind"] == "Role" else None
    return Rule(
        tuple(rule["apiGroups"]), tuple(rule["resources"]), tuple(rule["verbs"]), tuple(rule.get("resourceNames", ())), namespace
    )


def _holds(allowed: tuple[str, ...], wanted: str) -> bool:
    return "*" in allowed or wanted in allowed
