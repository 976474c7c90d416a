"""Virtual servers answer the same questions about services as rules do."""

from __future__ import annotations

from workers.ipvs.routes import Servers
from workers.ipvs.saved import parse
from workers.rules.resolve import Frontend, Path, Share
from workers.rules.steps import Source

TEXT = """-A -t 10.96.0.1:80 -s rr
-a -t 10.96.0.1:80 -r 10.244.1.4:8080 -m -w 1
-a -t 10.96.0.1:80 -r 10.244.1.5:8080 -m -w 3
-a -t 10.96.0.1:80 -r 10.244.1.6:8080 -m -w 0
-A -t 10.199.0.11:30080 -s wrr -p 10800
-a -t 10.199.0.11:30080 -r 10.244.1.4:8080 -m -w 1
-a -t 10.199.0.11:30080 -r 10.244.1.5:8080 -m -w 3
-A -u [fd00:10:96::a]:53 -s rr
-A -f 7 -s rr
"""
SERVERS = Servers(parse(TEXT), ["10.199.0.11"])


def path(frontend: Frontend) -> Path:
    route = SERVERS.route(frontend)
    assert route.backend == "ipvs"
    assert len(set(map(str, route.paths.values()))) == 1
    return route.paths[Source.POD]


def test_a_service_goes_to_its_real_servers_that_have_a_weight() -> None:
    found = path(Frontend("ip", "10.96.0.1", 80, "tcp"))
    assert found == Path("endpoints", (Share("10.244.1.4:8080", 0.5), Share("10.244.1.5:8080", 0.5)), via=("TCP 10.96.0.1:80",))


def test_a_node_port_is_found_at_the_node_and_shared_by_weight() -> None:
    found = path(Frontend("ip", "", 30080, "tcp"))
    assert found.endpoints == (Share("10.244.1.4:8080", 0.25), Share("10.244.1.5:8080", 0.75))
    assert found.sticky_s == 10800


def test_a_service_without_real_servers_is_refused_and_an_unknown_one_is_nothing() -> None:
    assert path(Frontend("ip6", "fd00:10:96::a", 53, "udp")).outcome == "reject"
    assert path(Frontend("ip", "10.96.0.1", 80, "udp")).outcome == "nothing"
    assert path(Frontend("ip6", "", 30080, "tcp")).outcome == "nothing"


def test_a_family_without_virtual_servers_is_not_in_use() -> None:
    assert SERVERS.in_use("ip6")
    assert not Servers(parse("-A -t 10.96.0.1:80 -s rr")).in_use("ip6")
