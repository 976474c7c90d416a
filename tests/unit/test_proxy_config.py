"""kube-proxy's ConfigMap, read: the entry that is its configuration, among whatever else is in there."""

from __future__ import annotations

import pytest

from workers.kubernetes.errors import Malformed
from workers.kubernetes.proxy_config import read
from workers.objects import ProxyConfig

_HEAD = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n"


def test_kubeadms_is_read() -> None:
    config = f"{_HEAD}conntrack:\n  maxPerCore: 65536\n  min: null\n  tcpCloseWaitTimeout: null\nmode: iptables\n"
    data = {"config.conf": config, "kubeconfig.conf": "apiVersion: v1\nkind: Config\n"}
    assert read({"data": data}) == ProxyConfig("config.conf", 65_536, None)


def test_one_without_a_word_on_conntrack_leaves_both_values_out() -> None:
    assert read({"data": {"config": _HEAD}}) == ProxyConfig("config", None, None)


def test_one_without_a_configuration_says_nothing() -> None:
    assert read({"data": {"kubeconfig.conf": "kind: Config\n"}}) is None
    assert read({}) is None


@pytest.mark.parametrize("config", [f"{_HEAD}conntrack: 5\n", f"{_HEAD}conntrack:\n  min: many\n", f"{_HEAD}a: [\n"])
def test_what_is_not_of_that_shape_is_named(config: str) -> None:
    with pytest.raises(Malformed):
        read({"data": {"config.conf": config}})
