"""core/v1 Pods read into records; pure, as `reading`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workers.kubernetes.fields import Json, address, flag, labels, mapping, number, required, section, sections, text
from workers.kubernetes.reading import condition, owner
from workers.objects import Container, Pod

CONFIG_HASH = "kubernetes.io/config.hash"
"""The annotation by which the kubelet knows a static pod; on the node it stands where other pods have their UID."""
CONFIG_MIRROR = "kubernetes.io/config.mirror"
"""What the kubelet adds to the object that it makes of a static pod; it deletes others that say so (pkg/kubelet/pod)."""


def pod(value: Any) -> Pod:
    """One pod. Raises `Malformed`."""
    obj = mapping(value)
    metadata, spec, status = section(obj, "metadata"), section(obj, "spec"), section(obj, "status")
    return Pod(
        namespace=required(metadata, "namespace"),
        name=required(metadata, "name"),
        uid=text(metadata, "uid"),
        node=text(spec, "nodeName"),
        phase=text(status, "phase", "Unknown"),
        ips=_ips(status),
        host_ip=text(status, "hostIP"),
        created=text(metadata, "creationTimestamp"),
        labels=labels(metadata, "labels"),
        host_network=flag(spec, "hostNetwork"),
        containers=tuple(_containers(spec, status)),
        owner=owner(metadata),
        ready=condition(status, "Ready")[0],
        deleting=metadata.get("deletionTimestamp") is not None,
        reason=text(status, "reason"),
        message=text(status, "message"),
        config_hash=_config_hash(section(metadata, "annotations")),
        runtime_class=text(spec, "runtimeClassName") or None,
        dns_policy=text(spec, "dnsPolicy", "ClusterFirst"),
    )


def _ips(status: Json) -> tuple[str, ...]:
    said = tuple(required(each, "ip") for each in sections(status, "podIPs"))
    alone = text(status, "podIP")
    return tuple(address(ip, "podIPs") for ip in said or ((alone,) if alone else ()))


def _config_hash(annotations: Json) -> str | None:
    """Of mirror pods alone: whoever makes a pod writes its annotations, and could lead us to another pod by that one's UID."""
    return text(annotations, CONFIG_HASH) or None if CONFIG_MIRROR in annotations else None


def _containers(spec: Json, status: Json) -> Iterator[Container]:
    """The containers of the spec, each with its status where the kubelet has reported one."""
    reported = {text(each, "name"): each for each in sections(status, "containerStatuses")}
    for each in sections(spec, "containers"):
        name = required(each, "name")
        ports = tuple(number(p, "containerPort") or 0 for p in sections(each, "ports"))
        yield _container(name, reported.get(name, {}), ports)


def _container(name: str, status: Json, ports: tuple[int, ...]) -> Container:
    state, details = _state(status)
    return Container(
        name=name,
        ready=flag(status, "ready"),
        restarts=number(status, "restartCount") or 0,
        state=state,
        reason=text(details, "reason"),
        message=text(details, "message"),
        id=text(status, "containerID"),
        ports=ports,
    )


def _state(status: Json) -> tuple[str, Json]:
    """The one of the three that is there, and what it says."""
    state = section(status, "state")
    for name in ("running", "waiting", "terminated"):
        if state.get(name) is not None:
            return name, section(state, name)
    return "unknown", {}
