"""What stands in a pod's /etc/hosts is what its C library finds there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_helper.facts import hosts
from tests.pretend_kernel import PretendKernel

UID, HASH = "386a9073-7e35-11e8-8a3d-bae97d2c1afd", "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
TEXT = """\
# Kubernetes-managed hosts file.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
10.244.1.5\tclient.shop.svc.cluster.local\tclient
  192.0.2.7 Legacy.example legacy # legacy2
192.0.2.8 legacy
10.1 short
nonsense legacy
192.0.2.9
"""


def found(name: str, **files: str) -> hosts.Hosts:
    folder = "/var/lib/kubelet/pods"
    return hosts.collect(
        PretendKernel(files={f"{folder}/{uid}/etc-hosts": text for uid, text in files.items()}), hosts.Query((UID, HASH), name)
    )


@pytest.mark.parametrize(
    ("name", "addresses"),
    [
        ("localhost", ("127.0.0.1", "::1")),
        ("client", ("10.244.1.5",)),
        ("LEGACY", ("192.0.2.7", "192.0.2.8")),
        ("legacy.example", ("192.0.2.7",)),
        ("legacy2", ()),
        ("localhost.", ()),
        ("short", ()),
        ("192.0.2.9", ()),
    ],
)
def test_every_line_that_holds_the_name_counts(name: str, addresses: tuple[str, ...]) -> None:
    assert found(name, **{UID: TEXT}) == hosts.Hosts(addresses, f"/var/lib/kubelet/pods/{UID}/etc-hosts")


def test_a_static_pods_file_stands_under_its_hash() -> None:
    assert found("localhost", **{HASH: TEXT}).source == f"/var/lib/kubelet/pods/{HASH}/etc-hosts"


def test_a_file_that_is_not_there_is_not_one_without_the_name() -> None:
    assert found("localhost") == hosts.Hosts((), None)


@pytest.mark.parametrize("uid", ["..", "a/b", "", "x" * 65])
def test_what_is_no_uid_leads_to_no_file(uid: str) -> None:
    with pytest.raises(ValueError, match="is no UID"):
        hosts.Query((uid,), "localhost")


@given(st.text(max_size=200), st.text(max_size=20))
def test_any_text_is_a_hosts_file(text: str, name: str) -> None:
    assert all(address for address in hosts.parse(text, name))
