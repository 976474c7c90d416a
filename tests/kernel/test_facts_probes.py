"""On the real kernel: every way in which a probe can end is told apart, and none leaves anything behind."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from deploy.lab import packages
from node_helper.facts import connect, dns, interfaces, neighbours, ping, resolv_conf, routes, sockets
from node_helper.kernel import Netns
from node_helper.linux import Linux, netns
from node_helper.protocol import CannotLook
from node_helper.stop import Stop
from tests.throwaway import LinuxWhere, address, configure, namespace, veth

pytestmark = pytest.mark.live
FAR, FAR6, NOBODY, NOBODY6 = "10.9.0.1", "fd00:9::1", "10.9.0.77", "fd00:9::77"
DROPPED = "10.66.0.1"
NAME = "hello-world.default.svc.cluster.local"


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Netns, Netns]]:
    with _pair() as made:
        yield made


@pytest.fixture
def fresh() -> Iterator[tuple[Netns, Netns]]:
    """A pair that has sent no ICMP error yet: the kernel sends only a few a second to one host (ip_error in net/ipv4/route.c)."""
    with _pair() as made:
        yield made


@contextmanager
def _pair() -> Iterator[tuple[Netns, Netns]]:
    """A pod and its node, which answers on one side of a veth; routes that refuse in each of the kernel's ways."""
    with namespace() as node, namespace() as pod:
        veth(node, "veth0", pod)
        address(node, "veth0", f"{FAR}/24", f"{FAR6}/64")
        address(pod, "eth0", "10.9.0.2/24", "fd00:9::2/64")

        def routes(ip: Any) -> None:
            ip.route("add", dst="10.61.0.0/16", type="blackhole")
            ip.route("add", dst="10.62.0.0/16", type="unreachable")
            ip.route("add", dst="10.63.0.0/16", type="prohibit")
            ip.route("add", dst="10.64.0.0/16", gateway=FAR)
            ip.route("add", dst="10.66.0.0/16", gateway=FAR)

        configure(pod, routes)

        def node_side(ip: Any) -> None:
            ip.route("add", dst="10.64.0.0/16", type="unreachable")
            ip.route("add", dst="10.66.0.0/16", type="blackhole")

        configure(node, node_side)
        _set(node, "ipv4/ip_forward", 1)
        for family in ("ipv4", "ipv6"):  # nobody there is known after three of these, 1 s each by default
            _set(pod, f"{family}/neigh/eth0/retrans_time_ms", 20)
        yield pod, node


def _set(where: Netns, key: str, value: int | str) -> None:
    """/proc/sys/net shows the namespace of the process which opens it, so another process does."""
    code = f"open('/proc/sys/net/{key}', 'w').write('{value}')"
    netns.inside(where, lambda: subprocess.run([sys.executable, "-c", code], check=True))


@pytest.fixture
def kernel(pair: tuple[Netns, Netns]) -> Iterator[Linux]:
    with LinuxWhere(pair[1]) as kernel:
        yield kernel


Serve = Callable[[bytes], list[bytes]]


@contextmanager
def udp_server(where: Netns, address: str, serve: Serve, *, through: socket.socket | None = None) -> Iterator[int]:
    """A DNS server that answers each question with any number of datagrams, from its own socket or another."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    talk = netns.inside(where, lambda: socket.socket(family, socket.SOCK_DGRAM))
    talk.bind((address, 0))

    def run() -> None:
        while True:
            asked, sender = talk.recvfrom(4096)
            if asked == b"end":
                return
            for answer in serve(asked):
                (through or talk).sendto(answer, sender)

    with talk, _thread(run):
        yield talk.getsockname()[1]
        with netns.inside(where, lambda: socket.socket(family, socket.SOCK_DGRAM)) as end:
            end.sendto(b"end", talk.getsockname()[:2])


@contextmanager
def tcp_server(where: Netns, port: int, serve: Serve) -> Iterator[int]:
    """A DNS server over TCP that answers one connection with any bytes, then hangs up."""
    listening = netns.inside(where, socket.socket)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((FAR, port))
    listening.listen()

    def run() -> None:
        talk, _ = listening.accept()
        with talk:
            for answer in serve(talk.recv(4096)[2:]):
                talk.sendall(answer)

    with listening, _thread(run):
        yield listening.getsockname()[1]


@contextmanager
def _thread(work: Callable[[], None]) -> Iterator[None]:
    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join()


def answer(asked: bytes, *, flags: int = 0x8580, records: int = 1) -> bytes:
    record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 5, 4) + bytes([10, 96, 1, 2])
    return asked[:2] + struct.pack("!5H", flags, 1, records, 0, 0) + asked[12:-11] + record * records


def ask(kernel: Linux, pod: Netns, port: int, **more: Any) -> dns.DnsAnswer:
    return dns.collect(kernel, dns.Query(pod, **{"server": FAR, "name": NAME, "seconds": 2.0, "port": port, **more}))


@pytest.mark.parametrize("server", [FAR, FAR6])
def test_a_dns_answer_arrives_inside_the_namespace(kernel: Linux, pair: tuple[Netns, Netns], server: str) -> None:
    with udp_server(pair[1], server, lambda asked: [answer(asked)]) as port:
        found = ask(kernel, pair[0], port, server=server)
    assert (found.outcome, found.rcode, found.transport) == ("answered", "NOERROR", "udp")
    assert found.records == (dns.Record(f"{NAME}.", "A", 5, "10.96.1.2"),)


def test_answers_to_other_questions_are_not_heard(kernel: Linux, pair: tuple[Netns, Netns]) -> None:
    def serve(asked: bytes) -> list[bytes]:
        wrong_id = bytes([asked[0] ^ 1]) + answer(asked)[1:]
        wrong_name = answer(asked).replace(b"hello", b"jello")
        return [wrong_id, wrong_name, b"", b"\0", answer(asked, flags=0x0580), answer(asked, records=2)]

    with udp_server(pair[1], FAR, serve) as port:
        assert len(ask(kernel, pair[0], port).records) == 2


def test_answers_of_other_senders_are_not_heard(kernel: Linux, pair: tuple[Netns, Netns]) -> None:
    with netns.inside(pair[1], lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as stranger:
        stranger.bind((FAR, 0))
        with udp_server(pair[1], FAR, lambda asked: [answer(asked)], through=stranger) as port:
            assert ask(kernel, pair[0], port, seconds=0.2).outcome == "timeout"


def test_a_truncated_answer_is_asked_for_over_tcp(kernel: Linux, pair: tuple[Netns, Netns]) -> None:
    def whole(asked: bytes) -> list[bytes]:
        said = answer(asked, records=200)
        framed = struct.pack("!H", len(said)) + said
        return [framed[:1], framed[1:50], framed[50:]]

    with ExitStack() as both:
        port = both.enter_context(udp_server(pair[1], FAR, lambda asked: [answer(asked, flags=0x8780, records=0)]))
        both.enter_context(tcp_server(pair[1], port, whole))
        found = ask(kernel, pair[0], port)
    assert (found.outcome, found.transport, found.truncated, len(found.records)) == ("answered", "tcp", False, 200)


@pytest.mark.parametrize("said", [[], [b"\x00"], [b"\xff\xff", b"half"]])
def test_a_server_that_hangs_up_over_tcp_is_not_called_a_closed_port(
    kernel: Linux, pair: tuple[Netns, Netns], said: list[bytes]
) -> None:
    with tcp_server(pair[1], 0, lambda _: said) as port:
        assert ask(kernel, pair[0], port, transport="tcp").outcome == "reset"


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize(
    ("server", "outcome"),
    [
        (FAR, "refused"),  # ICMP port unreachable; RST
        (FAR6, "refused"),
        (NOBODY, "unreachable"),  # nobody answers ARP
        (NOBODY6, "unreachable"),
        ("10.61.0.1", "unreachable"),  # blackhole
        ("10.62.0.1", "unreachable"),
        ("10.63.0.1", "unreachable"),  # prohibit
        ("192.0.2.1", "unreachable"),  # no route
        ("2001:db8::1", "unreachable"),
        (DROPPED, "timeout"),
    ],
)
def test_no_answer_is_called_by_its_reason(
    kernel: Linux, pair: tuple[Netns, Netns], server: str, outcome: str, transport: str
) -> None:
    seconds = 0.3 if outcome == "timeout" else 5.0
    found = ask(kernel, pair[0], 5353, server=server, transport=transport, seconds=seconds)
    assert (found.outcome, found.rcode, found.records) == (outcome, "", ())
    assert connect.collect(kernel, connect.Query(pair[0], server, 5353, seconds)).outcome == outcome


@pytest.mark.parametrize(("here", "family"), [("0.0.0.0", socket.AF_INET), ("::", socket.AF_INET6)])
def test_a_sidecar_that_takes_the_connection_is_named(
    fresh: tuple[Netns, Netns], here: str, family: socket.AddressFamily
) -> None:
    chain = "type nat hook output priority -100; ip daddr 10.66.0.0/16 tcp dport 80 redirect to :15001;"
    rules = f"table ip mesh {{ chain out {{ {chain} }}; }}"
    nft = packages.prepare(print).argv(["nft", rules])
    netns.inside(fresh[0], lambda: subprocess.run(nft, check=True))
    dual = family == socket.AF_INET6
    sidecar = netns.inside(fresh[0], lambda: socket.create_server((here, 15001), family=family, dualstack_ipv6=dual))
    with sidecar, LinuxWhere(fresh[1]) as kernel:
        found = connect.collect(kernel, connect.Query(fresh[0], DROPPED, 80))
        assert (found.outcome, found.taken_by) == ("answered", "127.0.0.1:15001")
        itself = connect.collect(kernel, connect.Query(fresh[0], "10.9.0.2", 15001))
        assert (itself.outcome, itself.taken_by) == ("answered", "")


@pytest.mark.parametrize(("far", "family"), [(FAR, socket.AF_INET), (FAR6, socket.AF_INET6)])
def test_a_pod_without_a_free_port_is_not_called_cut_off(
    fresh: tuple[Netns, Netns], far: str, family: socket.AddressFamily
) -> None:
    _set(fresh[0], "ipv4/ip_local_port_range", "50000 50000")
    with LinuxWhere(fresh[1]) as kernel, netns.inside(fresh[1], lambda: socket.create_server((far, 0), family=family)) as server:
        port = server.getsockname()[1]
        query = connect.Query(fresh[0], far, port)
        taken = netns.inside(fresh[0], lambda: socket.create_connection((far, port)))
        with taken:
            assert connect.collect(kernel, query).outcome == "no-port"
            assert connect.collect(kernel, connect.Query(fresh[0], far, port + 1)).outcome == "refused"


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_router_that_says_host_unreachable_is_heard(fresh: tuple[Netns, Netns], transport: str) -> None:
    with LinuxWhere(fresh[1]) as kernel:
        assert ask(kernel, fresh[0], 53, server="10.64.0.1", transport=transport, seconds=9.0).outcome == "unreachable"


def test_ping_tells_which_router_said_it(fresh: tuple[Netns, Netns]) -> None:
    with LinuxWhere(fresh[1]) as kernel:
        (row,) = ping.rows(kernel, ping.Query(fresh[0], "10.64.0.1", count=1, seconds=9.0))
    assert (row.outcome, row.sender) == ("unreachable", FAR)


@pytest.mark.parametrize("far", [FAR, FAR6, "127.0.0.1", "::1"])
def test_ping_answers_with_the_sender_and_its_sequence(kernel: Linux, pair: tuple[Netns, Netns], far: str) -> None:
    rows = list(ping.rows(kernel, ping.Query(pair[0], far, count=3, interval=0.01)))
    assert [(row.sequence, row.outcome, row.sender) for row in rows] == [(n, "answered", far) for n in (1, 2, 3)]


@pytest.mark.parametrize(
    ("far", "outcome", "sender"),
    [
        (NOBODY, "unreachable", "10.9.0.2"),  # the pod's own address: ARP failed here
        (NOBODY6, "unreachable", "fd00:9::2"),
        ("10.61.0.1", "unreachable", ""),
        ("192.0.2.1", "unreachable", ""),
        (DROPPED, "timeout", ""),
    ],
)
def test_ping_tells_who_said_that_it_cannot_be_reached(
    kernel: Linux, pair: tuple[Netns, Netns], far: str, outcome: str, sender: str
) -> None:
    seconds = 0.3 if outcome == "timeout" else 5.0
    (row,) = ping.rows(kernel, ping.Query(pair[0], far, count=1, seconds=seconds))
    assert (row.outcome, row.sender) == (outcome, sender)


def test_two_pings_at_once_do_not_take_each_others_replies(kernel: Linux, pair: tuple[Netns, Netns]) -> None:
    outcomes: list[str] = []

    def many(far: str) -> None:
        outcomes.extend(kernel.echo(pair[0], far, 1, 2.0).outcome for _ in range(20))

    threads = [threading.Thread(target=many, args=(far,)) for far in (FAR, FAR, "127.0.0.1", FAR6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == ["answered"] * 80


def test_a_handshake_succeeds_and_leaves_nothing_in_time_wait(kernel: Linux, pair: tuple[Netns, Netns]) -> None:
    with netns.inside(pair[1], lambda: socket.create_server((FAR, 0))) as listening:
        port = listening.getsockname()[1]
        assert connect.collect(kernel, connect.Query(pair[0], FAR, port)).outcome == "answered"
        assert port not in {one.remote_port for one in sockets.collect(kernel, sockets.Query(pair[0])).sockets}


@pytest.mark.parametrize("probe", ["dns", "echo", "connect"])
def test_a_probe_that_nobody_waits_for_any_more_ends_at_once(pair: tuple[Netns, Netns], probe: str) -> None:
    stop = Stop(60)
    threading.Timer(0.1, stop.end, ("cancelled",)).start()
    kernel, started = Linux(stop), time.monotonic()
    probes: dict[str, Callable[[], object]] = {
        "dns": lambda: ask(kernel, pair[0], 53, server=DROPPED, seconds=30.0),
        "echo": lambda: kernel.echo(pair[0], DROPPED, 1, 30.0),
        "connect": lambda: kernel.connect(pair[0], DROPPED, 53, 30.0),
    }
    with pytest.raises(CannotLook) as said:
        probes[probe]()
    assert said.value.kind == "cancelled"
    assert time.monotonic() - started < 25


def test_sockets_are_those_of_the_namespace(kernel: Linux, pair: tuple[Netns, Netns]) -> None:
    pod = pair[0]
    with ExitStack() as open_ones:
        tcp = open_ones.enter_context(netns.inside(pod, lambda: socket.create_server(("10.9.0.2", 0))))
        tcp6 = open_ones.enter_context(netns.inside(pod, lambda: socket.create_server(("::", 0), family=socket.AF_INET6)))
        udp = open_ones.enter_context(netns.inside(pod, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)))
        udp.bind(("10.9.0.2", 0))
        found = {(s.protocol, s.state, s.local, s.local_port) for s in sockets.collect(kernel, sockets.Query(pod)).sockets}
        told = {
            ("tcp", "LISTEN", "10.9.0.2", tcp.getsockname()[1]),
            ("tcp6", "LISTEN", "::", tcp6.getsockname()[1]),
            ("udp", "UNCONN", "10.9.0.2", udp.getsockname()[1]),
        }
        assert told <= found
        talks = [
            open_ones.enter_context(netns.inside(pod, lambda: socket.create_connection(tcp.getsockname()))) for _ in range(9)
        ]
        waiting = sockets.collect(kernel, sockets.Query(pod, waiting=True)).sockets
        states = Counter(s.state for s in waiting if s.protocol == "tcp")
        assert told <= {(s.protocol, s.state, s.local, s.local_port) for s in waiting}
        assert (states["LISTEN"], sum(states.values())) == (1, 2), len(talks)


def test_the_reference_tool_runs_inside_the_namespace(kernel: Linux, pair: tuple[Netns, Netns]) -> None:
    """`readlink` stands in for it: iproute2 is not on every machine, and the lab's nodes test it."""
    done = kernel.run(("readlink", "/proc/self/ns/net"), pair[0])
    assert done.out.strip() == f"net:[{pair[0].inode}]"
    assert netns.of(os.getpid()).inode not in (pair[0].inode, pair[1].inode)


def test_a_process_sees_its_own_resolv_conf_whatever_it_links_to(kernel: Linux, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "real").write_text("nameserver 10.96.0.10\n")
    (tmp_path / "etc" / "resolv.conf").symlink_to("/../../run/real")
    code = "import os, sys; os.chroot(sys.argv[1]); print(flush=True); sys.stdin.read()"
    argv = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as pod:
        assert pod.stdout is not None
        pod.stdout.readline()
        found = resolv_conf.collect(kernel, resolv_conf.Query(pod.pid))
        assert found.nameservers == ("10.96.0.10",)
        assert pod.stdin is not None
        pod.stdin.close()


def test_looking_changes_nothing(kernel: Linux, pair: tuple[Netns, Netns]) -> None:
    pod, node = pair
    with udp_server(node, FAR, lambda asked: [answer(asked)]) as port:
        ask(kernel, pod, port)  # neighbours get to know each other first
        before = _everything(pair)
        for look in (interfaces, routes, neighbours, sockets):
            look.collect(kernel, look.Query(pod))
        ask(kernel, pod, port)
        connect.collect(kernel, connect.Query(pod, FAR, 1))
        list(ping.rows(kernel, ping.Query(pod, FAR, count=1)))
        kernel.run(("readlink", "/proc/self/ns/net"), pod)
        assert kernel.netnsid(pod, node) is not None
        assert kernel.netnsid(pod, netns.of(os.getpid())) is None
        assert _everything(pair) == before


def _everything(pair: tuple[Netns, Netns]) -> tuple[object, ...]:
    """Devices, addresses, routes and ids of each namespace that could be touched, named namespaces, modules, threads."""

    def of(ip: Any) -> object:
        links = [(link["index"], link.get("ifname"), link["flags"], link.get("master")) for link in ip.get_links()]
        return links, sorted(a.get("address") for a in ip.get_addr()), sorted(str(r.get("dst")) for r in ip.get_routes())

    here = netns.of(os.getpid())
    with LinuxWhere(pair[1]) as kernel:
        known = [kernel.netnsid(one, other) for one in (*pair, here) for other in (*pair, here)]
    named = sorted(p.name for p in Path("/run/netns").iterdir()) if Path("/run/netns").exists() else []
    modules = Path("/proc/modules").read_text() if Path("/proc/modules").exists() else ""
    loaded = sorted(line.split()[0] for line in modules.splitlines())
    return [configure(where, of) for where in (*pair, here)], known, named, loaded, threading.active_count()
