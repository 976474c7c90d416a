"""Rules of every vintage and backend, loaded with Debian's tools, read from the kernel: as the tools list them, rule by rule."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Literal

import pytest

from deploy.lab.kubeproxy.iptables import render_iptables
from deploy.lab.kubeproxy.model import Family
from deploy.lab.kubeproxy.nftables import render_nftables
from node_helper.facts import all_rules, backends, chain_names, chain_rules, redirects, rules_text, service_rules
from node_helper.kernel import Netns
from node_helper.linux import netns
from node_helper.netfilter import save
from node_helper.netfilter.records import Destination, Ruleset, Table
from node_helper.protocol import CannotLook
from node_helper.records import Completed
from tests.kubeproxy_objects import CLUSTER_CIDR, SERVICE_CIDR, every_kind
from tests.rule_samples import DATA, LARGE, SMALL, large, seen, small
from tests.rules_loaded import Loaded
from tests.throwaway import LinuxWhere
from workers.objects import Cluster
from workers.rules import saved_iptables, saved_nft
from workers.rules.compare import Difference, of_route
from workers.rules.desired import Desired
from workers.rules.resolve import Rules

pytestmark = pytest.mark.live
Backend = Literal["iptables-nft", "iptables-legacy", "nftables"]
IpFamily = Literal["ip", "ip6"]
HOME = Path(__file__).parents[2]
LOADABLE = [n for n in SMALL if not n.endswith(".json") and "-c.txt" not in n and "nft-view" not in n]


class Inside(LinuxWhere):
    """Tools are the unpacked ones."""

    def __init__(self, loaded: Loaded) -> None:
        super().__init__(loaded.netns, seconds=120)
        self._loaded = loaded

    def run(self, argv: tuple[str, ...], netns: Netns | None = None) -> Completed:
        assert netns == self._loaded.netns
        return Completed(0, self._loaded.run(*argv), "")


def _kind(name: str) -> tuple[Backend, tuple[IpFamily, ...], str]:
    """Backend, families and the tool that loads, by the name of a recording."""
    if ".nft" in name:
        return "nftables", ("ip", "ip6"), "nft"
    family: IpFamily = "ip6" if "ip6tables" in name else "ip"
    backend: Backend = "iptables-legacy" if "legacy" in name else "iptables-nft"
    return backend, (family,), f"{family}tables-{backend.removeprefix('iptables-')}"


def _listed(loaded: Loaded, backend: Backend, family: IpFamily) -> list[Table]:
    """What the reference tool lists."""
    if backend == "nftables":
        return list(saved_nft.parse(loaded.run("nft", "list", "table", family, "kube-proxy")).tables)
    save = f"{family}tables-{backend.removeprefix('iptables-')}-save"
    return list(saved_iptables.parse(loaded.run(save, "-c"), family, backend).tables)


def _by_chain(table: Table, backend: str) -> list[tuple[object, ...]]:
    """In the order in which nft lists them; iptables-save has one of its own."""
    chains = table.chains if backend == "nftables" else sorted(table.chains, key=lambda chain: chain.name)
    return [(c.name, c.policy, _numbered(c.hook), c.rules) for c in chains]


def _numbered(hook: str) -> str:
    """Priorities as the kernel knows them: srcnat + 5 is 105."""
    return _PRIORITY.sub(lambda said: f"priority {_PRIORITIES[said[1]] + int((said[2] or '0').replace(' ', ''))}", hook)


_PRIORITIES = {"raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "security": 50, "srcnat": 100}
_PRIORITY = re.compile(r"priority ([a-z]+)(?: ([+-] [0-9]+))?")


def _same(read: Ruleset, listed: list[Table]) -> None:
    ours = {table.name: table for table in read.tables}
    assert set(ours) == {table.name for table in listed}
    for table in listed:
        assert _by_chain(ours[table.name], read.backend) == _by_chain(table, read.backend)
        assert _by_map(ours[table.name]) == _by_map(table)
        assert ours[table.name].dormant == table.dormant


def _by_map(table: Table) -> list[tuple[object, ...]]:
    """Elements sorted: their order is that of a hash."""
    return [(m.name, m.type, m.timeout, sorted((e.key, e.value) for e in m.elements)) for m in table.maps]


@pytest.mark.parametrize(("name", "family"), [(name, family) for name in LOADABLE for family in _kind(name)[1]])
def test_every_rule_is_read_as_the_tool_lists_it(loaded: Loaded, name: str, family: IpFamily) -> None:
    backend, _, tool = _kind(name)
    loaded.load(tool, small(name)[2])
    read, listed = all_rules.collect(loaded.kernel, all_rules.Query(backend, family)), _listed(loaded, backend, family)
    assert sum(len(chain.rules) for table in read.tables for chain in table.chains) > 10
    _same(read, listed)
    for table in listed:
        names = chain_names.collect(loaded.kernel, chain_names.Query(backend, family, table.name)).names
        assert set(names) == {chain.name for chain in table.chains}


@pytest.mark.parametrize("family", ["ip", "ip6"])
@pytest.mark.parametrize("backend", ["iptables-nft", "iptables-legacy", "nftables"])
def test_every_kind_of_service_is_read_as_the_tool_lists_it(loaded: Loaded, backend: Backend, family: IpFamily) -> None:
    """Also the part about one service, which leads where the whole does."""
    of = Family.IPV4 if family == "ip" else Family.IPV6
    if backend == "nftables":
        loaded.load(
            "nft", render_nftables(every_kind(), "node1", cluster_cidr=CLUSTER_CIDR, service_cidr=SERVICE_CIDR, family=of)
        )
    else:
        text = render_iptables(every_kind(), "node1", cluster_cidr=CLUSTER_CIDR, family=of)
        loaded.load(f"{family}tables-{backend.removeprefix('iptables-')}", text)
    _same(all_rules.collect(loaded.kernel, all_rules.Query(backend, family)), _listed(loaded, backend, family))
    assert _differing(loaded, backend, family, seen(every_kind()), "node1") == (28, [])


@pytest.mark.parametrize("name", [n for n in LOADABLE if "ip6" not in n])
def test_the_part_about_one_service_says_the_same_as_the_whole(loaded: Loaded, name: str) -> None:
    backend, _, tool = _kind(name)
    cluster, node, text = small(name)
    loaded.load(tool, text)
    assert _differing(loaded, backend, "ip", cluster, node) == (18, [])


def _differing(loaded: Loaded, backend: Backend, family: IpFamily, cluster: Cluster, node: str) -> tuple[int, list[Difference]]:
    """How many frontends were looked at in the part about their service, and what differs."""
    desired, looked, found = Desired(cluster), 0, list[Difference]()
    for service in cluster.services.values():
        wanted = [each for each in desired.of(service, node) if each.frontend.family == family]
        if wanted:
            only = tuple(Destination(w.frontend.address, w.frontend.port, w.frontend.protocol) for w in wanted)
            part = Rules(service_rules.collect(loaded.kernel, service_rules.Query(backend, family, only)))
            found += [d for each in wanted for d in of_route(each, part.route(each.frontend))]
            looked += len(wanted)
    return looked, found


@pytest.mark.parametrize(("family", "equal"), [("ip", 22), ("ip6", 4)])
def test_each_rule_of_a_table_of_somebody_elses_is_as_nft_lists_it_or_says_what_is_unread(
    loaded: Loaded, family: IpFamily, equal: int
) -> None:
    loaded.load("nft", (DATA / "foreign.nft").read_text())
    (listed,) = saved_nft.parse(loaded.run("nft", "list", "table", family, "foreign")).tables
    same = 0
    for chain in listed.chains:
        query = chain_rules.Query("nftables", family, "foreign", chain.name)
        (read,) = (c for c in chain_rules.collect(loaded.kernel, query).tables[0].chains if c.name == chain.name)
        assert (read.policy, _numbered(read.hook)) == (chain.policy, _numbered(chain.hook))
        told = [(ours, theirs) for ours, theirs in zip(read.rules, chain.rules, strict=True) if not ours.unread]
        assert [ours for ours, _ in told] == [theirs for _, theirs in told]
        same += len(told)
    assert same == equal
    said = rules_text.collect(Inside(loaded), rules_text.Query("nftables", family, "foreign"))
    assert said.text == loaded.run("nft", "list", "table", family, "foreign")


BOUNDED = """
import resource, sys
from node_helper.facts import rules_text, service_rules
from node_helper.linux import Linux, netns
from node_helper.netfilter.records import Destination
from node_helper.stop import Stop

class Here(Linux):
    def own_netns(self):
        return netns.at("/proc/self/ns/net")

kernel, backend = Here(Stop(60)), sys.argv[2]
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[1]),) * 2)
query = service_rules.Query(backend, "ip", (Destination("10.96.0.10", 53, "udp"),))
for _ in range(3):
    seen = service_rules.collect(kernel, query)
    print(sum(chain.name.startswith(("KUBE-SVC-", "service-")) and chain.name != "service-endpoints-check"
        for table in seen.tables for chain in table.chains))
if backend == "iptables-nft":
    print(rules_text.collect(kernel, rules_text.Query(backend, "ip")).cut)
"""


def _bounded(loaded: Loaded, backend: Backend) -> list[str]:
    """The same questions in a process that may take 100 MB more than it has when it begins."""
    argv = ["/usr/bin/python3", "-s", "-c", BOUNDED, str(100 << 20), backend]
    done = netns.inside(loaded.netns, lambda: subprocess.run(argv, capture_output=True, text=True, check=False, cwd=HOME))
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize("name", LARGE)
def test_the_rules_of_ten_thousand_services_are_read_as_the_tool_lists_them(loaded: Loaded, name: str) -> None:
    backend, (family, *_), tool = _kind(name)
    loaded.load(tool, large(name)[name])
    listed = _listed(loaded, backend, family)
    _same(all_rules.collect(loaded.kernel, all_rules.Query(backend, family)), listed)
    assert _bounded(loaded, backend) == ["1"] * 3 + ["True"] * (backend == "iptables-nft")
    if backend == "iptables-nft":
        text = rules_text.collect(loaded.kernel, rules_text.Query(backend, family))
        assert (text.cut, len(text.text) >> 20) == (True, 7)  # nearly 8 MiB of 12
        whole = saved_iptables.parse(text.text.rpartition("*nat")[0], family)
        _same(whole, [table for table in listed if table.name != "nat"])


def test_nothing_is_there_and_asking_makes_nothing(loaded: Loaded) -> None:
    before = _state(loaded)
    assert backends.collect(loaded.kernel, backends.Query()).tables == ()
    assert redirects.collect(loaded.kernel, redirects.Query(loaded.netns)).tables == ()
    only = (Destination("10.96.0.1", 443, "tcp"),)
    for backend in ("iptables-nft", "iptables-legacy", "nftables"):
        for family in ("ip", "ip6"):
            assert service_rules.collect(loaded.kernel, service_rules.Query(backend, family, only)).tables == ()
            assert all_rules.collect(loaded.kernel, all_rules.Query(backend, family)).tables == ()
            with pytest.raises(CannotLook, match="no chain"):
                chain_rules.collect(loaded.kernel, chain_rules.Query(backend, family, "nat", "KUBE-SERVICES"))
            with pytest.raises(CannotLook, match="not in use here"):
                rules_text.collect(loaded.kernel, rules_text.Query(backend, family))
    assert _state(loaded) == before


def test_rules_that_lead_what_arrives_elsewhere_are_seen(loaded: Loaded) -> None:
    loaded.load(
        "nft", "table ip nat { chain inbound { type nat hook prerouting priority -100; tcp dport 80 dnat to 192.0.2.2; }; }"
    )
    loaded.run("ip6tables-legacy", "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "-j", "REDIRECT", "--to-ports", "15006")
    before = _state(loaded)
    found = redirects.collect(loaded.kernel, redirects.Query(loaded.netns)).tables
    assert found == ("iptables-nft ip nat", "iptables-legacy ip6 nat")
    assert _state(loaded) == before


@pytest.mark.parametrize("name", [n for n in LOADABLE if "1.36" in n])
def test_looking_changes_nothing(loaded: Loaded, name: str) -> None:
    backend, (family, *_), tool = _kind(name)
    loaded.load(tool, small(name)[2])
    before = _state(loaded)
    only = (Destination("10.111.199.230", 80, "tcp"),) if family == "ip" else (Destination("fd00:96::1", 443, "tcp"),)
    service_rules.collect(loaded.kernel, service_rules.Query(backend, family, only))
    all_rules.collect(loaded.kernel, all_rules.Query(backend, family))
    found = {t.name for t in backends.collect(loaded.kernel, backends.Query()).tables if t.services}
    assert found == ({"kube-proxy"} if backend == "nftables" else {"nat", "filter"})
    assert _state(loaded) == before


@pytest.mark.parametrize(("name", "family"), [(n, family) for n in LOADABLE if "1.36" in n for family in _kind(n)[1]])
def test_the_raw_text_is_the_tools_own(loaded: Loaded, name: str, family: IpFamily) -> None:
    backend, _, tool = _kind(name)
    loaded.load(tool, small(name)[2])
    said = rules_text.collect(Inside(loaded), rules_text.Query(backend, family))
    assert _timeless(said.text) == _timeless(loaded.run(*said.argv))
    if backend == "iptables-nft":  # what is printed here where there are too many for the tool
        tables = all_rules.collect(loaded.kernel, all_rules.Query(backend, family)).tables
        assert sorted(save.lines(tables)) == sorted(_timeless(said.text).splitlines())


def test_both_backends_are_seen_side_by_side(loaded: Loaded) -> None:
    for name in ("kube-proxy-1.36/node1.iptables-save.txt", "kube-proxy-1.36/node3.iptables-legacy-save.txt"):
        loaded.load(_kind(name)[2], small(name)[2])
    tables = backends.collect(loaded.kernel, backends.Query()).tables
    assert {t.backend for t in tables if t.services} == {"iptables-nft", "iptables-legacy"}


def _state(loaded: Loaded) -> tuple[str, ...]:
    """All that asking could have made or loaded."""
    files = ("/proc/net/ip_tables_names", "/proc/net/ip6_tables_names")
    modules = Path("/proc/modules")
    return (
        *(loaded.run("cat", file) for file in files),
        _timeless(loaded.run("nft", "list", "ruleset")),
        modules.read_text() if modules.exists() else "",
    )


def _timeless(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("# "))
