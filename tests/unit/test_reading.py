"""API objects become records, whoever wrote them; anything else is refused with the field's name."""

from __future__ import annotations

import contextlib
import functools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import kube_objects
from tests.hostile_json import JSON, changed
from workers.kubernetes.errors import Malformed
from workers.kubernetes.kinds import KINDS, Kind, read_list
from workers.kubernetes.reading import endpoint_slice, node, replica_set, service
from workers.kubernetes.reading_pods import pod
from workers.objects import Container, Endpoint, EndpointPort, Owner, ServicePort

SAMPLES = Path(__file__).parents[1] / "data" / "kube-proxy-1.36"
BY_NAME = {kind.name: kind for kind in KINDS}


@functools.cache
def sample(kind: Kind) -> Any:
    return json.loads((SAMPLES / f"{kind.plural}.json").read_text())


def pod_with(status: Any = None, spec: Any = None, **metadata: Any) -> Any:
    made = kube_objects.pod("web")
    made["metadata"] |= metadata
    made["spec"] |= spec or {}
    made["status"] |= status or {}
    return pod(made)


@pytest.mark.parametrize("name", ["pods", "nodes", "services", "slices"])
def test_every_object_that_kubectl_printed_of_a_real_cluster_is_read(name: str) -> None:
    said = sample(BY_NAME[name])
    assert len(read_list(BY_NAME[name], said)) == len(said["items"])


def test_a_pod_of_a_real_cluster_says_where_it_runs() -> None:
    seen = read_list(BY_NAME["pods"], sample(BY_NAME["pods"]))["kube-system", "coredns-1"]
    assert (seen.node, seen.ips, seen.phase, seen.ready) == ("node1", ("10.244.0.53",), "Running", True)


def test_a_mixed_list_gives_the_objects_of_the_kind() -> None:
    mixed = {"kind": "List", "items": [kube_objects.pod("a"), kube_objects.service("b"), kube_objects.pod("c")]}
    assert list(read_list(BY_NAME["pods"], mixed)) == [("default", "a"), ("default", "c")]


def test_items_of_a_servers_list_need_not_repeat_their_kind() -> None:
    bare = {k: v for k, v in kube_objects.pod("a").items() if k not in ("kind", "apiVersion")}
    assert list(read_list(BY_NAME["pods"], {"kind": "PodList", "items": [bare]})) == [("default", "a")]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({}, "the object is {} where the Kubernetes API has a list of services, in its field items"),
        (kube_objects.service("a"), "kind is 'Service' where the Kubernetes API has ServiceList"),
        ({"kind": "EndpointsList", "items": []}, "kind is 'EndpointsList' where the Kubernetes API has ServiceList"),
        (
            {"kind": "List", "items": [kube_objects.pod("a"), kube_objects.pod("b")]},
            "items is ['Pod'] where the Kubernetes API has objects of kind Service",
        ),
    ],
)
def test_what_is_no_list_of_the_kind_is_not_an_empty_one(said: Any, reason: str) -> None:
    with pytest.raises(Malformed) as refused:
        read_list(BY_NAME["services"], said)
    assert refused.value.reason == reason


@pytest.mark.parametrize("said", [{"kind": "List", "items": []}, {"kind": "ServiceList", "items": None}, {"items": []}])
def test_an_empty_list_is_empty(said: Any) -> None:
    assert read_list(BY_NAME["services"], said) == {}


@pytest.mark.parametrize(
    ("state", "read"),
    [
        ({"running": {"startedAt": "2026-01-01T00:00:00Z"}}, ("running", "", "")),
        ({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}, ("waiting", "CrashLoopBackOff", "back-off")),
        ({"terminated": {"exitCode": 137, "reason": "OOMKilled"}}, ("terminated", "OOMKilled", "")),
        ({}, ("unknown", "", "")),
    ],
)
def test_a_containers_state_is_the_one_that_is_there(state: Any, read: tuple[str, str, str]) -> None:
    reported = {"name": "main", "ready": True, "restartCount": 3, "containerID": "containerd://0123", "state": state}
    seen = pod_with({"containerStatuses": [reported]}).containers
    assert seen == (Container("main", True, 3, *read, id="containerd://0123"),)  # noqa: FBT003  (the record's order)


def test_a_container_that_the_kubelet_has_not_reported_is_still_one_of_the_pod() -> None:
    seen = pod_with(spec={"containers": [{"name": "main", "ports": [{"containerPort": 8080}]}]}).containers
    assert seen == (Container("main", ready=False, restarts=0, state="unknown", ports=(8080,)),)


def test_only_the_controller_is_the_owner() -> None:
    references = [{"kind": "Thing", "name": "x"}, {"kind": "ReplicaSet", "name": "web-1", "controller": True}]
    assert pod_with(ownerReferences=references).owner == Owner("ReplicaSet", "web-1")
    assert pod_with(ownerReferences=references[:1]).owner is None


def test_a_static_pod_carries_the_hash_by_which_its_node_knows_it() -> None:
    annotations = {"kubernetes.io/config.hash": "abc", "kubernetes.io/config.mirror": "abc"}
    assert pod_with(annotations=annotations).config_hash == "abc"


def test_a_pod_that_is_no_mirror_of_a_static_one_cannot_pass_for_another_by_a_hash() -> None:
    assert pod_with(annotations={"kubernetes.io/config.hash": "386a9073-7e35-11e8-8a3d-bae97d2c1afd"}).config_hash is None


def test_a_pod_being_deleted_and_an_evicted_one_say_so() -> None:
    assert pod_with(deletionTimestamp="2026-01-01T00:00:00Z").deleting
    evicted = pod_with({"phase": "Failed", "reason": "Evicted", "message": "low on memory", "podIPs": None})
    assert (evicted.phase, evicted.reason, evicted.message, evicted.ips) == ("Failed", "Evicted", "low on memory", ())


def test_a_node_has_its_ip_addresses_without_its_host_names() -> None:
    seen = node(kube_objects.node("node-one"))
    assert (seen.addresses, seen.pod_cidrs, seen.runtime) == (("172.31.0.2",), ("10.244.1.0/24",), "containerd://1.6.20")


def test_a_node_that_is_not_ready_says_why() -> None:
    broken = kube_objects.node("node-one")
    broken["status"]["conditions"] = [{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}]
    assert (node(broken).ready, node(broken).reason) == (False, "NodeStatusUnknown")


def test_a_headless_service_has_no_cluster_ip() -> None:
    made = kube_objects.service("db")
    made["spec"] |= {"clusterIP": "None", "clusterIPs": ["None"]}
    assert service(made).headless


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("203.0.113.007", "203.0.113.7"),
        ("010.000.0.0", "10.0.0.0"),
        ("FD00:10:96:0::0080", "fd00:10:96::80"),
        ("::ffff:203.0.113.007", "203.0.113.7"),
        ("::", "::"),
        ("fe00::100", "fe00::100"),
    ],
)
def test_addresses_are_read_as_the_kernel_writes_them_whoever_wrote_them(said: str, read: str) -> None:
    made = kube_objects.service("web")
    made["spec"] |= {"clusterIP": said, "externalIPs": [said]}
    made["status"] = {"loadBalancer": {"ingress": [{"ip": said}, {"ip": said, "ipMode": "Proxy"}]}}
    assert service(made).ips == (read,) * 4
    assert pod_with({"podIPs": [{"ip": said}]}).ips == pod_with({"podIPs": None, "podIP": said}).ips == (read,)
    piece = {"metadata": {"name": "a", "namespace": "b"}, "addressType": "IPv6", "endpoints": [{"addresses": [said]}]}
    assert endpoint_slice(piece).endpoints[0].addresses == (read,)


@pytest.mark.parametrize("said", ["", "256.0.0.1", "1.2.3", "fe80::1%eth0", "a name", "0x7f.0.0.1", "1" * 9000])
def test_what_is_no_address_is_refused_with_its_field(said: str) -> None:
    made = kube_objects.service("web")
    made["spec"] |= {"externalIPs": [said]}
    with pytest.raises(Malformed, match=r"externalIPs is .* where the Kubernetes API has an IP address"):
        service(made)


def test_a_slice_of_names_keeps_them() -> None:
    piece = {"metadata": {"name": "a", "namespace": "b"}, "addressType": "FQDN", "endpoints": [{"addresses": ["db.example"]}]}
    assert endpoint_slice(piece).endpoints[0].addresses == ("db.example",)


@pytest.mark.parametrize(("target", "read"), [(8080, "8080"), ("http", "http"), (None, "80")])
def test_a_target_port_is_a_number_a_name_or_the_port_itself(target: Any, read: str) -> None:
    made = kube_objects.service("web")
    made["spec"]["ports"] = [{"port": 80, "targetPort": target, "nodePort": 30080}]
    assert service(made).ports == (ServicePort("", "TCP", 80, read, 30080),)


@pytest.mark.parametrize(
    ("conditions", "read"),
    [
        (None, (True, True, False)),
        ({"ready": None}, (True, True, False)),
        ({"ready": False}, (False, False, False)),
        ({"ready": False, "serving": True, "terminating": True}, (False, True, True)),
    ],
)
def test_unknown_conditions_of_an_endpoint_are_what_the_api_says_they_mean(
    conditions: Any, read: tuple[bool, bool, bool]
) -> None:
    piece = {
        "metadata": {"name": "web-1", "namespace": "default", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"name": None, "port": None}],
        "endpoints": [{"addresses": ["10.0.0.1"], "conditions": conditions, "targetRef": {"kind": "Pod", "name": "p"}}],
    }
    seen = endpoint_slice(piece)
    assert seen.endpoints == (Endpoint(("10.0.0.1",), *read, pod="p"),)
    assert (seen.service, seen.ports) == ("web", (EndpointPort("", "TCP", None),))


def test_a_replica_set_leads_to_its_deployment() -> None:
    owners = [{"kind": "Deployment", "name": "web", "controller": True}]
    assert replica_set({"metadata": {"name": "web-1", "namespace": "shop", "ownerReferences": owners}}).owner == Owner(
        "Deployment", "web"
    )


def test_what_is_refused_is_named_with_its_place() -> None:
    with pytest.raises(Malformed, match=r"pods, item 1: nodeName is 5 where the Kubernetes API has a string"):
        read_list(BY_NAME["pods"], {"items": [kube_objects.pod("a"), kube_objects.pod("b") | {"spec": {"nodeName": 5}}]})


@given(value=JSON, kind=st.sampled_from(KINDS))
def test_any_json_is_a_record_or_refused(value: Any, kind: Kind) -> None:
    with contextlib.suppress(Malformed):
        kind.keyed(value)
    with contextlib.suppress(Malformed):
        read_list(kind, value)


@given(data=st.data(), kind=st.sampled_from([k for k in KINDS if k.name != "replica_sets"]))
def test_a_real_object_with_anything_in_any_place_is_a_record_or_refused(data: st.DataObject, kind: Kind) -> None:
    obj = changed(data, data.draw(st.sampled_from(sample(kind)["items"])))
    with contextlib.suppress(Malformed):
        hash(kind.keyed(obj)[0])
