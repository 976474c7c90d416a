"""The lab is what it says: real parts, wired as in a cluster, and gone without a trace."""

from __future__ import annotations

import pytest

from deploy.lab.lab import Lab

pytestmark = pytest.mark.live


def test_pods_of_different_nodes_reach_each_other(lab: Lab) -> None:
    client = lab.pods["default/client"]
    far = next(p for p in lab.pods.values() if p.spec.name.startswith("hello-world-") and p.node != client.node)
    four, six = far.ips
    for url in (f"http://{four}:8080/", f"http://[{six}]:8080/"):
        status, said = lab.runtimes[client.node].exec(client, ["timeout", "5", "wget", "-q", "-O", "-", url])
        assert (status, said.strip()) == (0, far.spec.name)
