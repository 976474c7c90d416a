"""Pods are found on nodes of every shape, not only on those of the usual lab."""

from __future__ import annotations

import pytest

from deploy.lab.cgroups import Version, on_this_machine, usual
from deploy.lab.lab import Lab
from tests.faults.asking import check

pytestmark = pytest.mark.e2e

OTHER = {Version.V1: Version.V2, Version.V2: Version.V1}


def test_pods_are_found_with_the_other_version_of_cgroups() -> None:
    other = OTHER[usual(on_this_machine())]
    if other is Version.V1 and not any(h.option for h in on_this_machine()):
        other = Version.V2  # a machine without v1: then both are the same
    with Lab(version=other) as lab:
        said = check(lab, "pod {hello}")
        assert (said["verdict"], said["findings"]) == ("healthy", [])
        assert said["facts"]["sandbox_pid"] == lab.find_pod("hello-world").pid
