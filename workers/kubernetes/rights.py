"""The rights that netcheck needs in a cluster, and which of them it has; `deploy/kustomize/base/rbac.yaml` grants these."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from workers.kubernetes.connection import Connection
from workers.kubernetes.fields import flag, mapping, section

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_READ = ("get", "list", "watch")


@dataclass(frozen=True)
class Right:
    """One verb on one resource; everywhere, unless `namespace` and `name` say where. `group` is "" for the core group."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        what = f"{self.resource}.{self.group}" if self.group else self.resource
        where = f" {self.namespace}/{self.name}" if self.name else ""
        return f"{self.verb} {what}{where}"


_RESOURCES = (
    ("", "pods"),
    ("", "services"),
    ("", "nodes"),
    ("", "namespaces"),
    ("", "events"),
    ("discovery.k8s.io", "endpointslices"),
    ("networking.k8s.io", "networkpolicies"),
    ("apps", "replicasets"),
    ("apps", "deployments"),
)
NEEDED = (
    *(Right(verb, group, resource) for group, resource in _RESOURCES for verb in _READ),
    Right("get", "", "configmaps", "kube-system", "kube-proxy"),
)
"""Reading what a check may need; of ConfigMaps only kube-proxy's, which holds its mode and its conntrack settings."""


async def rights(kubeconfig: Path | None = None) -> Mapping[Right, bool]:
    """Each needed right, and whether we have it, as the API server's own authorizer says (SelfSubjectAccessReview).

    Raises `CannotLook` where it cannot be asked.
    """
    connection = Connection(kubeconfig)
    try:
        answers = await asyncio.gather(*(_allowed(connection, right) for right in NEEDED))
    finally:
        await connection.aclose()
    return dict(zip(NEEDED, answers, strict=True))


async def _allowed(connection: Connection, right: Right) -> bool:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {key: value for key, value in asdict(right).items() if value}},
    }
    answer = mapping(await connection.post(_REVIEWS, review))
    return flag(section(answer, "status"), "allowed")
