"""Kubernetes objects for tests, as small as the API allows."""

from __future__ import annotations

from typing import Any

Api = dict[str, Any]


def pod(name: str, namespace: str = "default", node: str = "node-one", **labels: str) -> Api:
    """A running, ready pod."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"nodeName": node, "containers": [{"name": "main"}]},
        "status": {"phase": "Running", "podIPs": [{"ip": "10.244.1.2"}], "conditions": [{"type": "Ready", "status": "True"}]},
    }


def service(name: str, namespace: str = "default") -> Api:
    """A service with one port."""
    spec = {
        "type": "ClusterIP",
        "clusterIP": "10.96.0.20",
        "selector": {"app": name},
        "ports": [{"port": 80, "targetPort": 8080}],
    }
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def node(name: str) -> Api:
    """A ready node."""
    status = {
        "conditions": [{"type": "Ready", "status": "True"}],
        "addresses": [{"type": "InternalIP", "address": "172.31.0.2"}, {"type": "Hostname", "address": name}],
        "nodeInfo": {"containerRuntimeVersion": "containerd://1.6.20", "kernelVersion": "6.1.0"},
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "spec": {"podCIDR": "10.244.1.0/24"},
        "status": status,
    }


def like_a_real_pod(number: int) -> Api:
    """A pod of the size and shape that a Deployment gives: about 4 kB with managed fields, probes and volumes."""
    name = f"web-7c5ddbdf54-{number:05d}"
    mounts = [{"mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "name": "kube-api-access-sr2nw", "readOnly": True}]
    probe = {"httpGet": {"path": "/healthz", "port": 8080, "scheme": "HTTP"}, "periodSeconds": 10, "failureThreshold": 3}
    container = {
        "name": "web", "image": "registry.example/shop/web:1.2.3", "ports": [{"containerPort": 8080, "protocol": "TCP"}],
        "env": [{"name": f"SETTING_{i}", "value": f"value-{i}"} for i in range(20)], "volumeMounts": mounts,
        "livenessProbe": probe, "readinessProbe": probe, "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
    }  # fmt: skip
    managed: list[Api] = [
        {
            "manager": m,
            "operation": "Update",
            "time": "2026-01-01T00:00:00Z",
            "fieldsV1": {f"f:{i}": {"f:x": {}} for i in range(40)},
        }
        for m in ("kube-controller-manager", "kubelet")
    ]
    made = pod(name, "shop", f"node-{number % 100}", app="web")
    made["metadata"] |= {
        "managedFields": managed,
        "ownerReferences": [
            {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-7c5ddbdf54", "uid": "u", "controller": True}
        ],
    }
    made["spec"] |= {"containers": [container], "tolerations": [{"key": "node.kubernetes.io/not-ready", "effect": "NoExecute"}]}
    running = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    made["status"] |= {
        "containerStatuses": [
            {
                "name": "web",
                "ready": True,
                "restartCount": 0,
                "image": "web",
                "imageID": "web@sha256:0",
                "state": running,
                "containerID": "containerd://0",
            }
        ]
    }
    return made
