"""From inside a pod our DNS answers are those of dig, entry by entry: code, flags, records; and so is how no answer came."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from deploy.lab.lab import Lab
from deploy.lab.plan import DNS_ADDRESS, DNS_ADDRESS6, GATEWAY, GATEWAY6
from node_helper.facts import dns, dns_pair, sandbox
from node_helper.kernel import Netns
from tests.node_helper_asked import Asked, asked

pytestmark = pytest.mark.live
SERVICE = "hello-world.default.svc.cluster.local"
PORT, CLOSED = 5354, 5355
LOG = "scripted-dns.log"
KINDS = (
    "A", "AAAA", "NS", "CNAME", "PTR", "SOA", "MX", "TXT", "SRV", "CAA", "NAPTR", "DNAME", "SVCB", "HTTPS", "HINFO", "DS", "CDS",
    "DNSKEY", "CDNSKEY", "RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "TLSA", "SSHFP", "TYPE65280",
)  # fmt: skip
# Answers as the first label says: rcodeN, silent, cut (UDP: truncated; TCP: 200 records), plain (no EDNS), recorded (of the
# type; a name in base32, as NSEC3 has to have it).
SERVER = f"""
import socket, struct, threading
POINTER = b"\\xc0\\x0c"
DATA = {{1: bytes([192, 0, 2, 1]), 28: bytes(15) + b"\\1", 2: b"\\2ns" + POINTER, 5: b"\\5other" + POINTER, 12: POINTER,
         6: POINTER + b"\\4root" + POINTER + struct.pack("!5I", 2026, 7200, 3600, 86400, 30), 15: b"\\0\\x0a\\2mx" + POINTER,
         16: b"\\5a \\"b;\\3\\xff\\0\\\\", 33: struct.pack("!3H", 1, 2, 8080) + b"\\3pod" + POINTER,
         257: b"\\x80\\5issueca.test; a=\\"b\\\\",
         35: b"\\0\\x64\\0\\x32\\1s\\7SIP+D2U\\0\\4_sip" + POINTER, 39: b"\\5other" + POINTER, 64: b"\\0\\0\\3svc" + POINTER}}
PARAMETERS = {{0: b"\\0\\1\\0\\3", 1: b"\\2h2\\3f,o\\4a\\"b\\\\\\4\\xff\\0;@", 2: b"", 3: b"\\1\\xbb",
              4: bytes([192, 0, 2, 1, 192, 0, 2, 2]), 5: b"\\xff\\xfe", 6: bytes(15) + b"\\1" + b"\\xfd" + bytes(15),
              667: b"a \\"b;\\xff", 668: b""}}
DATA.update({{
    13: b"\\6a \\"b;@\\3\\xff\\0\\\\",
    43: struct.pack("!HBB", 20326, 8, 2) + bytes(range(32)), 59: struct.pack("!HBB", 1, 5, 4) + bytes(range(48)),
    44: b"\\4\\2" + bytes(range(32, 64)), 52: b"\\3\\1\\2" + bytes(range(64)),
    46: struct.pack("!HBBIIIH", 65280, 13, 3, 86400, 1800000000, 1700000000, 2642) + b"\\2ns\\4test\\0" + bytes(range(100)),
    47: b"\\2\\xffz\\4test\\0\\0\\7\\x62\\1\\x80\\0\\0\\3\\x80\\4\\x1b" + bytes(26) + b"\\x20\\xff\\1\\1",
    48: struct.pack("!HBB", 257, 3, 13) + bytes(range(64)), 60: struct.pack("!HBB", 256, 2, 8) + bytes(range(131)),
    50: b"\\1\\2\\0\\x0c\\3\\xaa\\xbb\\xcc\\x14" + bytes(range(100, 120)) + b"\\0\\7\\x22\\0\\0\\0\\0\\2\\x90",
    51: b"\\1\\3\\0\\x0d\\2\\xef\\xfe", 65280: bytes(range(200, 256)),
}})
DATA[65] = b"\\0\\1\\0" + b"".join(struct.pack("!HH", key, len(value)) + value for key, value in PARAMETERS.items())
def answer(asked, tcp):
    end = asked.index(b"\\0", 12) + 1
    question, kind = asked[12:end + 4], struct.unpack("!H", asked[end:end + 2])[0]
    label = asked[13:13 + asked[12]].decode()
    records, code, given, edns = [], 0, 0x8580, b"\\0" + struct.pack("!HHIH", 41, 4096, 0, 0)
    if label == "silent":
        return None
    if label.startswith("rcode"):
        code = int(label[5:])
        edns = b"\\0" + struct.pack("!HHIH", 41, 4096, code >> 4 << 24, 0)
    elif label.startswith("flags"):
        given = int(label[5:], 16)
    elif label == "plain":
        if asked[10:12] != b"\\0\\0":
            return asked[:2] + struct.pack("!5H", 0x8181, 1, 0, 0, 0) + question
        edns, records = b"", [DATA[1]]
    elif label == "cut":
        records = [bytes([192, 0, 2, n]) for n in range(200)] if tcp else []
    elif label == "recorded":
        records = [DATA[kind]] * (1 if kind in (5, 39) else 2)
    flags = given | code & 15 | (0x0200 if label == "cut" and not tcp else 0)
    told = b"".join(POINTER + struct.pack("!HHIH", kind, 1, 0xFFFFFFFF // kind, len(data)) + data for data in records)
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
def datagrams(server):
    while True:
        asked, sender = server.recvfrom(4096)
        said = answer(asked, False)
        if said:
            server.sendto(said, sender)
for family, here in ((socket.AF_INET, "{GATEWAY}"), (socket.AF_INET6, "{GATEWAY6}")):
    server = socket.socket(family, socket.SOCK_DGRAM)
    server.bind((here, {PORT}))
    listening = socket.create_server((here, {PORT}), family=family)
    for serve, what in ((datagrams, server), (stream, listening)):
        threading.Thread(target=serve, args=(what,), daemon=True).start()
print("ready", flush=True)
threading.Event().wait()
"""


@dataclass(frozen=True)
class Said:
    """What both tell: how it ended, over what, and of the message the code, its flags and the answer section with its TTLs."""

    outcome: str
    tcp: bool = False
    rcode: str = ""
    flags: frozenset[str] = frozenset()
    records: tuple[tuple[str, int, str, str], ...] = ()

    @property
    def ageless(self) -> Said:
        """Of a server that counts the seconds of its cache down between one question and the next."""
        return replace(self, records=tuple((name, 0, kind, data) for name, _, kind, data in self.records))


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
        records = tuple((r.name, r.ttl, r.type, r.data) for r in found.records)
        told = {"aa": found.authoritative, "tc": found.truncated, "ra": found.recurses, "ad": found.authentic}
        flags = frozenset(flag for flag, said in told.items() if said)
        return Said(found.outcome, found.transport == "tcp", found.rcode, flags, records)

    def dig(self, name: str, kind: str, transport: str = "udp", server: tuple[str, int] = (DNS_ADDRESS, 53), *more: str) -> Said:
        over = "+tcp" if transport == "tcp" else "+notcp"
        options = [over, "+nosearch", "+noauthority", "+noadditional", "+nocookie", "+time=1", "+tries=1", *more]
        enter = ["nsenter", "--target", str(self._pod.pid), "--net", "--"]
        argv = [*enter, "dig", *options, "-p", str(server[1]), f"@{server[0]}", name, kind]
        return read(self.node.run(argv, check=False).stdout, transport)


def read(told: str, transport: str) -> Said:
    """Dig's text."""
    tcp = transport == "tcp" or "retrying in TCP mode" in told
    status = re.search(r"status: (\S+),", told)
    if status is None:
        return Said("refused" if "connection refused" in told else "timeout" if "timed out" in told else told, tcp)
    flags = re.search(r";; flags: ([a-z ]*);", told)
    assert flags is not None
    words = [line.split(None, 4) for line in told.splitlines() if line and not line.startswith(";")]
    records = tuple((name, int(ttl), kind, data) for name, ttl, _class, kind, data in words)
    code = status[1].replace("RESERVED", "RCODE")
    return Said("answered", tcp, code, frozenset(flags[1].split()) & {"aa", "tc", "ra", "ad"}, records)


@pytest.fixture(scope="module")
def pod(lab: Lab) -> Iterator[Inside]:
    stop = lab.fabric.daemon(["/usr/bin/python3", "-ISc", SERVER], LOG, lambda: "ready" in lab.fabric.log(LOG))
    with asked(lab.nodes["node-one"]) as helper:
        yield Inside(lab, helper)
    stop()


@pytest.mark.parametrize("server", [DNS_ADDRESS, DNS_ADDRESS6])
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
def test_the_clusters_dns_says_the_same_to_both(
    pod: Inside, name: str, kind: str, code: str, transport: str, server: str
) -> None:
    ours = pod.ours(name, kind, transport, (server, 53))
    assert ours.ageless == pod.dig(name, kind, transport, (server, 53)).ageless
    assert (ours.rcode, ours.tcp) == (code, transport == "tcp")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("code", [*range(17), 23])
def test_every_code_has_the_name_that_dig_gives_it(pod: Inside, code: int, transport: str) -> None:
    here = (GATEWAY, PORT)
    ours = pod.ours(f"rcode{code}.test", "A", transport, here)
    assert ours == pod.dig(f"rcode{code}.test", "A", transport, here)
    assert (ours.outcome, ours.flags) == ("answered", frozenset({"aa", "ra"}))


@pytest.mark.parametrize("server", [GATEWAY, GATEWAY6])
@pytest.mark.parametrize("kind", KINDS)
def test_every_type_is_printed_as_dig_prints_it(pod: Inside, kind: str, server: str) -> None:
    ours = pod.ours("recorded.test", kind, "udp", (server, PORT))
    assert ours == pod.dig("recorded.test", kind, "udp", (server, PORT))
    assert {record[2] for record in ours.records} == {kind}


@pytest.mark.parametrize("flags", [0x8000, 0x8080, 0x8100, 0x8400, 0x8020, 0x85A0])
def test_every_flag_is_told_as_dig_tells_it(pod: Inside, flags: int) -> None:
    asked = f"flags{flags:x}.test", "A", "udp", (GATEWAY, PORT)
    ours = pod.ours(*asked)
    assert ours == pod.dig(*asked)
    assert len(ours.flags) == (flags & 0x04A0).bit_count()


def test_what_was_truncated_is_asked_for_over_tcp(pod: Inside) -> None:
    ours = pod.ours("cut.test", "A", "udp", (GATEWAY, PORT))
    assert ours == pod.dig("cut.test", "A", "udp", (GATEWAY, PORT))
    assert (ours.tcp, "tc" in ours.flags, len(ours.records)) == (True, False, 200)


def test_a_server_from_before_edns_says_what_dig_gets_without_it(pod: Inside) -> None:
    ours = pod.ours("plain.test", "A", "udp", (GATEWAY, PORT))
    assert ours == pod.dig("plain.test", "A", "udp", (GATEWAY, PORT), "+noedns")
    assert [record[2:] for record in ours.records] == [("A", "192.0.2.1")]


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
        assert tuple((r.name, 0, r.type, r.data) for r in found.records) == pod.dig(SERVICE, kind).ageless.records
        assert (found.outcome, found.transport) == ("answered", "udp")
    assert both.insert_failed is not None
    assert both.drop is not None


@pytest.mark.parametrize(("name", "port", "outcome"), [("silent.test", PORT, "timeout"), ("closed.test", CLOSED, "refused")])
def test_a_pair_that_is_not_answered_says_how(pod: Inside, name: str, port: int, outcome: str) -> None:
    both = pod.helper.ask(dns_pair.FACT, dns_pair.Query(pod.netns, GATEWAY, name, seconds=0.5, port=port))
    assert (both.a.outcome, both.aaaa.outcome) == (outcome, outcome)
