"""A node with docker answers as the one with containerd beside it does."""

from __future__ import annotations

from typing import Any

import pytest

from deploy.lab.lab import Lab
from tests.faults.asking import check

pytestmark = pytest.mark.e2e


def test_a_docker_pod_is_where_docker_says(lab_with_docker: Lab) -> None:
    ours = [pod for pod in lab_with_docker.pods.values() if pod.runtime == "docker" and pod.spec.namespace == "kube-system"]
    assert len(ours) == 2  # one on the host network, one with its own
    for pod in ours:
        said = check(lab_with_docker, f"pod kube-system/{pod.spec.name}")
        facts = said["facts"]
        assert (said["verdict"], facts["runtime"], facts["sandbox_pid"]) == ("healthy", pod.runtime, pod.pid)
        assert facts["host_network"] is pod.spec.host_network
        if not pod.spec.host_network:
            (eth0,) = (each for each in facts["interfaces"] if each["name"] == "eth0")
            assert (eth0["peer"]["name"], eth0["peer"]["master"], facts["netns"]) == (pod.host_veth, "cni0", pod.netns)


def test_the_same_pod_on_both_gives_the_same_answer(lab_with_docker: Lab) -> None:
    one, two = (check(lab_with_docker, f"pod {pod.spec.name}") for pod in lab_with_docker.find_pods("hello-world"))
    assert [one["facts"]["runtime"], two["facts"]["runtime"]] == ["docker", "containerd"]
    assert shape(one["facts"]) == shape(two["facts"])
    for same in ("host_network", "resolv_conf", "services"):
        assert one["facts"][same] == two["facts"][same]
    for answer in (one, two):
        assert [dns["outcome"] for dns in answer["facts"]["dns"].values()] == ["answered"]


def shape(value: Any) -> Any:
    """What is there, without its values."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    return [shape(inner) for inner in value] if isinstance(value, list) else type(value).__name__


def test_a_name_is_resolved_from_a_docker_pod(lab_with_docker: Lab) -> None:
    assert check(lab_with_docker, "dns hello-world from {client}")["verdict"] == "healthy"
