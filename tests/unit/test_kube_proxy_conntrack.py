"""What kube-proxy sets nf_conntrack_max to: its own arithmetic, version by version, from wherever it has its settings."""

from __future__ import annotations

import pytest

from node_helper.facts.kube_proxy import KubeProxy, Process, Said
from workers.changes._kube_proxy import MINIMUM, PER_CORE, Settings, leaves_higher, limited, settings, version_of, would_set
from workers.objects import ProxyConfig

OLD, NEW = (1, 30), (1, 36)
CONFIG = ProxyConfig("config.conf", 65_536, None)


@pytest.mark.parametrize(
    ("per_core", "minimum", "cpus", "version", "sets"),
    [
        (32_768, 131_072, 1, OLD, 131_072),  # the minimum
        (32_768, 131_072, 4, OLD, 131_072),
        (32_768, 131_072, 8, OLD, 262_144),  # as many cores
        (65_535, 655_350, 8, OLD, 655_350),  # kubernetes/kubernetes#75575
        (65_535, 655_350, 32, OLD, 2_097_120),
        (0, 131_072, 8, OLD, None),  # left alone, and the minimum does not count
        (0, 131_072, 8, NEW, None),
        (-1, 131_072, 8, OLD, None),
        (32_768, 131_072, 32, NEW, 1_048_576),  # just not limited
        (32_768, 131_072, 512, OLD, 16_777_216),
        (32_768, 131_072, 512, NEW, 1_048_576),  # kubernetes/kubernetes#137002
        (32_768, 4_000_000, 512, NEW, 1_048_576),  # the minimum is ignored above the limit
        (1, 4_000_000, 512, NEW, 4_000_000),  # and counts below it
        (32_768, 131_072, 512, None, 16_777_216),
        (1, 0, 1, OLD, 1),
    ],
)
def test_its_arithmetic(per_core: int, minimum: int, cpus: int, version: tuple[int, int] | None, sets: int | None) -> None:
    assert would_set(Settings(per_core, minimum, ""), cpus, version) == sets


def test_what_an_upgrade_lowers_is_known_before() -> None:
    large = Settings(PER_CORE, MINIMUM, "")
    assert limited(large, 64, OLD)
    assert not limited(large, 64, NEW)
    assert not limited(large, 8, OLD)


def test_some_versions_leave_a_higher_value() -> None:
    assert [leaves_higher(v) for v in ((1, 22), (1, 23), (1, 28), (1, 29), None)] == [False, True, True, False, False]


@pytest.mark.parametrize(
    ("said", "version"), [("v1.36.2", (1, 36)), ("v1.30.0-eks-036c24b", (1, 30)), ("1.9", (1, 9)), ("", None), ("devel", None)]
)
def test_versions_are_read(said: str, version: tuple[int, int] | None) -> None:
    assert version_of(said) == version


@pytest.mark.parametrize(
    ("argv", "config", "found"),
    [
        (("kube-proxy",), None, (PER_CORE, MINIMUM)),
        (("kube-proxy", "--conntrack-max-per-core=0"), None, (0, MINIMUM)),
        (("kube-proxy", "--conntrack-max-per-core", "7", "--conntrack-min", "9"), None, (7, 9)),
        (("kube-proxy", "--config=/c.conf"), CONFIG, (65_536, MINIMUM)),
        (("kube-proxy", "--config", "/c.conf", "--conntrack-min=9"), CONFIG, (65_536, MINIMUM)),
    ],
)
def test_its_settings_are_found(argv: tuple[str, ...], config: ProxyConfig | None, found: tuple[int, int]) -> None:
    said = settings(_runs("kube-proxy", *argv), config)
    assert isinstance(said, Settings)
    assert (said.per_core, said.minimum) == found


@pytest.mark.parametrize(
    ("name", "argv", "config", "why"),
    [
        ("kube-proxy", ("kube-proxy", "--config=/c.conf"), None, "no ConfigMap"),
        ("kube-proxy", ("kube-proxy", "--config=/c.conf"), ProxyConfig("", unread="forbidden"), "could not be read: forbidden"),
        ("k3s-server", ("/usr/local/bin/k3s", "server"), CONFIG, "does not show what it passes"),
    ],
)
def test_settings_that_nobody_shows_are_not_guessed(
    name: str, argv: tuple[str, ...], config: ProxyConfig | None, why: str
) -> None:
    said = settings(_runs(name, *argv), config)
    assert isinstance(said, str)
    assert why in said


def test_k3s_shows_what_it_passes_on() -> None:
    said = settings(_runs("k3s-server", "k3s", "server", "--kube-proxy-arg=conntrack-max-per-core=5"), None)
    assert isinstance(said, Settings)
    assert said.per_core == 5


def _runs(name: str, *argv: str) -> KubeProxy:
    said = Said("answered", 200)
    return KubeProxy((Process(321, name, argv),), said, said, (), 0.0)
