"""Who may do what: RBAC rules as ClusterRoles and Roles write them (kubernetes.io, Using RBAC Authorization)."""

from dataclasses import dataclass

from deploy.lab.kubeapi.status import RefusalError
from workers.kubernetes.rights import NEEDED

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


LEAST = tuple(Rule((r.group,), (r.resource,), (r.verb,), (r.name,) if r.name else (), r.namespace or None) for r in NEEDED)
"""What the product needs and its manifests grant: whoever asks for more is refused in the lab, too."""
EVERYTHING = (Rule(("*",), ("*",), ("*",)),)


def forbidden(request: Request, plural_path: str) -> RefusalError:
    """403, in the words of kube-apiserver."""
    scope = f'in the namespace "{request.namespace}"' if request.namespace else "at the cluster scope"
    what = f'resource "{request.resource}" in API group "{request.group}" {scope}'
    name = f' "{request.name}"' if request.name else ""
    message = f'{plural_path}{name} is forbidden: User "{USER}" cannot {request.verb} {what}'
    details = {"kind": request.resource, **({"group": request.group} if request.group else {})}
    return RefusalError(403, "Forbidden", message, details)


def _holds(allowed: tuple[str, ...], wanted: str) -> bool:
    return "*" in allowed or wanted in allowed
