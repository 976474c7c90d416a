"""From inside a pod our DNS answers are those of dig, entry by entry: code, flags, records; and so is how no answer came."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from deploy.lab.lab import Lab
from deploy.lab.plan import DNS_ADDRESS, GATEWAY
from node_helper.facts import dns, dns_pair, sandbox
from node_helper.kernel import Netns
from tests.node_helper_asked import Asked, asked

pytestmark = pytest.mark.live
SERVICE = "hello-world.default.svc.cluster.local"
PORT, CLOSED = 5354, 5355
LOG = "scripted-dns.log"
# Answers as the first label says: rcodeN, silent, cut (UDP: truncated; TCP: 200 records), plain (no EDNS), records (of the type).
SERVER = f"""
import socket, struct, threading
POINTER = b"\\xc0\\x0c"
DATA = {{1: bytes([192, 0, 2, 1]), 28: bytes(15) + b"\\1", 2: b"\\2ns" + POINTER, 5: b"\\5other" + POINTER, 12: POINTER,
         6: POINTER + b"\\4root" + POINTER + struct.pack("!5I", 2026, 7200, 3600, 86400, 30), 15: b"\\0\\x0a\\2mx" + POINTER,
         16: b"\\5a \\"b;\\3\\xff\\0\\\\", 33: struct.pack("!3H", 1, 2, 8080) + b"\\3pod" + POINTER, 257: b"\\0\\5issueca.test"}}
def answer(asked, tcp):
    end = asked.index(b"\\0", 12) + 1
    question, kind = asked[12:end + 4], struct.unpack("!H", asked[end:end + 2])[0]
    label = asked[13:13 + asked[12]].decode()
    records, code, edns = [], 0, b"\\0" + struct.pack("!HHIH", 41, 4096, 0, 0)
    if label == "silent":
        return None
    if label.startswith("rcode"):
        code = int(label[5:])
        edns = b"\\0" + struct.pack("!HHIH", 41, 4096, code >> 4 << 24, 0)
    elif label == "plain":
        if asked[10:12] != b"\\0\\0":
            return asked[:2] + struct.pack("!5H", 0x8181, 1, 0, 0, 0) + question
        edns, records = b"", [DATA[1]]
    elif label == "cut":
        records = [bytes([192, 0, 2, n]) for n in range(200)] if tcp else []
    elif label == "records":
        records = [DATA[kind]] * (1 if kind == 5 else 2)
    flags = 0x8580 | code & 15 | (0x0200 if label == "cut" and not tcp else 0)
    told = b"".join(POINTER + struct.pack("!HHIH", kind, 1, 300, len(data)) + data for data in records)
    return asked[:2] + struct.pack("!5H", flags, 1, len(records), 0, int(bool(edns))) + question + told + edns
def stream(listening):
    while True:
        talk, _ = listening.accept()
        with talk:
            size = struct.unpack("!H", talk.recv(2, socket.MSG_WAITALL))[0]
            said = answer(talk.recv(size, socket.MSG_WAITALL), True)
            if said:
                talk.sendall(struct.pack("!H", len(said)) + said)
            else:
                talk.recv(1)
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("{GATEWAY}", {PORT}))
threading.Thread(target=stream, args=(socket.create_server(("{GATEWAY}", {PORT})),), daemon=True).start()
print("ready", flush=True)
while True:
    asked, sender = server.recvfrom(4096)
    said = answer(asked, False)
    if said:
        server.sendto(said, sender)
"""


@dataclass(frozen=True)
class Said:
    """What both tell: how it ended, over what, and of the message the code, whether aa and tc are set, and the answer section."""

    outcome: str
    tcp: bool = False
    rcode: str = ""
    authoritative: bool = False
    truncated: bool = False
    records: tuple[tuple[str, str, str], ...] = ()


class Inside:
    """The client pod, asked from by the helper and by dig."""

    def __init__(self, lab: Lab, helper: Asked) -> None:
        self.helper = helper
        self.node, self._pod = lab.nodes["node-one"], lab.pods["default/client"]
        spec = self._pod.spec
        placed = helper.ask(sandbox.FACT, sandbox.Query(spec.uid, spec.name, spec.namespace))
        assert placed.netns is not None
        self.netns: Netns = placed.netns

    def ours(self, name: str, kind: str, transport: str = "udp", server: tuple[str, int] = (DNS_ADDRESS, 53)) -> Said:
        query = dns.Query(self.netns, server[0], name, kind, transport, seconds=1.0, port=server[1])
        found = self.helper.ask(dns.FACT, query)
        records = tuple((r.name, r.type, r.data) for r in found.records)
        return Said(found.outcome, found.transport == "tcp", found.rcode, found.authoritative, found.truncated, records)

    def dig(self, name: str, kind: str, transport: str = "udp", server: tuple[str, int] = (DNS_ADDRESS, 53), *more: str) -> Said:
        over = "+tcp" if transport == "tcp" else "+notcp"
        options = [over, "+nosearch", "+noauthority", "+noadditional", "+nocookie", "+time=1", "+tries=1", *more]
        enter = ["nsenter", "--target", str(self._pod.pid), "--net", "--"]
        argv = [*enter, "dig", *options, "-p", str(server[1]), f"@{server[0]}", name, kind]
        return read(self.node.run(argv, check=False).stdout, transport)


def read(told: str, transport: str) -> Said:
    """Dig's text; TTLs are masked."""
    tcp = transport == "tcp" or "retrying in TCP mode" in told
    status = re.search(r"status: (\S+),", told)
    if status is None:
        return Said("refused" if "connection refused" in told else "timeout" if "timed out" in told else told, tcp)
    flags = re.search(r";; flags: ([a-z ]*);", told)
    assert flags is not None
    words = [line.split(None, 4) for line in told.splitlines() if line and not line.startswith(";")]
    records = tuple((name, kind, data) for name, _ttl, _class, kind, data in words)
    code = status[1].replace("RESERVED", "RCODE")
    return Said("answered", tcp, code, "aa" in flags[1].split(), "tc" in flags[1].split(), records)


@pytest.fixture(scope="module")
def pod(lab: Lab) -> Iterator[Inside]:
    stop = lab.fabric.daemon(["/usr/bin/python3", "-ISc", SERVER], LOG, lambda: "ready" in lab.fabric.log(LOG))
    with asked(lab.nodes["node-one"]) as helper:
        yield Inside(lab, helper)
    stop()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        (SERVICE, "A", "NOERROR"),
        (SERVICE, "AAAA", "NOERROR"),
        (f"_http._tcp.{SERVICE}", "SRV", "NOERROR"),
        (SERVICE, "SRV", "NOERROR"),
        ("nothing.default.svc.cluster.local", "A", "NXDOMAIN"),
        ("example.com", "AAAA", "NOERROR"),
    ],
)
def test_the_clusters_dns_says_the_same_to_both(pod: Inside, name: str, kind: str, code: str, transport: str) -> None:
    ours = pod.ours(name, kind, transport)
    assert ours == pod.dig(name, kind, transport)
    assert (ours.rcode, ours.tcp) == (code, transport == "tcp")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("code", [0, 2, 3, 5, 6, 7, 8, 9, 10, 12, 15, 16, 23])
def test_every_code_has_the_name_that_dig_gives_it(pod: Inside, code: int, transport: str) -> None:
    here = (GATEWAY, PORT)
    ours = pod.ours(f"rcode{code}.test", "A", transport, here)
    assert ours == pod.dig(f"rcode{code}.test", "A", transport, here)
    assert (ours.outcome, ours.authoritative) == ("answered", True)


@pytest.mark.parametrize("kind", ["A", "AAAA", "NS", "CNAME", "PTR", "SOA", "MX", "TXT", "SRV"])
def test_every_type_is_printed_as_dig_prints_it(pod: Inside, kind: str) -> None:
    ours = pod.ours("records.test", kind, "udp", (GATEWAY, PORT))
    assert ours == pod.dig("records.test", kind, "udp", (GATEWAY, PORT))
    assert {record[1] for record in ours.records} == {kind}


def test_what_was_truncated_is_asked_for_over_tcp(pod: Inside) -> None:
    ours = pod.ours("cut.test", "A", "udp", (GATEWAY, PORT))
    assert ours == pod.dig("cut.test", "A", "udp", (GATEWAY, PORT))
    assert (ours.tcp, ours.truncated, len(ours.records)) == (True, False, 200)


def test_a_server_from_before_edns_says_what_dig_gets_without_it(pod: Inside) -> None:
    ours = pod.ours("plain.test", "A", "udp", (GATEWAY, PORT))
    assert ours == pod.dig("plain.test", "A", "udp", (GATEWAY, PORT), "+noedns")
    assert ours.records == (("plain.test.", "A", "192.0.2.1"),)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize(("name", "port", "outcome"), [("silent.test", PORT, "timeout"), ("closed.test", CLOSED, "refused")])
def test_silence_and_a_closed_port_are_told_apart_as_dig_does(
    pod: Inside, name: str, port: int, outcome: str, transport: str
) -> None:
    ours = pod.ours(name, "A", transport, (GATEWAY, port))
    assert ours == pod.dig(name, "A", transport, (GATEWAY, port))
    assert ours.outcome == outcome


def test_a_and_aaaa_from_one_socket_are_what_each_is_alone(pod: Inside) -> None:
    both = pod.helper.ask(dns_pair.FACT, dns_pair.Query(pod.netns, DNS_ADDRESS, SERVICE))
    for kind, found in (("A", both.a), ("AAAA", both.aaaa)):
        assert tuple((r.name, r.type, r.data) for r in found.records) == pod.dig(SERVICE, kind).records
        assert (found.outcome, found.transport) == ("answered", "udp")
    assert both.insert_failed is not None
    assert both.drop is not None


@pytest.mark.parametrize(("name", "port", "outcome"), [("silent.test", PORT, "timeout"), ("closed.test", CLOSED, "refused")])
def test_a_pair_that_is_not_answered_says_how(pod: Inside, name: str, port: int, outcome: str) -> None:
    both = pod.helper.ask(dns_pair.FACT, dns_pair.Query(pod.netns, GATEWAY, name, seconds=0.5, port=port))
    assert (both.a.outcome, both.aaaa.outcome) == (outcome, outcome)
