"""The resources that are served, as the API's discovery names them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Resource:
    """One resource; `group` is "" for the core group. `fields` are its field selectors beside metadata.name and .namespace."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    fields: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        """As in an object's `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def path(self) -> str:
        """Where all of its objects are listed."""
        return f"/apis/{self.api_version}/{self.plural}" if self.group else f"/api/{self.version}/{self.plural}"


RESOURCES = (
    Resource("", "v1", "pods", "Pod", fields=("spec.nodeName", "spec.hostNetwork", "status.phase", "status.podIP")),
    Resource("", "v1", "services", "Service", fields=("spec.clusterIP", "spec.type")),
    Resource("", "v1", "nodes", "Node", namespaced=False, fields=("spec.unschedulable",)),
    Resource("", "v1", "namespaces", "Namespace", namespaced=False, fields=("status.phase",)),
    Resource("", "v1", "configmaps", "ConfigMap"),
    Resource("", "v1", "events", "Event", fields=("involvedObject.kind", "involvedObject.name", "involvedObject.uid", "reason")),
    Resource("apps", "v1", "deployments", "Deployment"),
    Resource("apps", "v1", "replicasets", "ReplicaSet"),
    Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice"),
    Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy"),
)


class UnknownResourceError(LookupError):
    """An object or path of a kind that this server does not have."""


def of_kind(kind: str) -> Resource:
    """The resource of a kind such as `Pod`. Raises `UnknownResourceError`."""
    for resource in RESOURCES:
        if resource.kind == kind:
            return resource
    raise UnknownResourceError(f"{kind!r} is not served; served are {', '.join(r.kind for r in RESOURCES)}")


def of_path(group: str, version: str, plural: str) -> Resource | None:
    """The resource at these parts of a path, None where there is none."""
    return next((r for r in RESOURCES if (r.group, r.version, r.plural) == (group, version, plural)), None)
