"""Runs in a guest: makes virtual servers of every kind with ipvsadm and real connections, and prints all that is seen of them."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from node_helper import codec
from node_helper.facts import ipvs, ipvs_connections, sysctls
from node_helper.ipvs import Virtual
from node_helper.linux import Linux
from node_helper.stop import Stop

LINKS = """
link add kube-ipvs0 type dummy
addr add 10.96.0.1/32 dev kube-ipvs0
addr add 10.96.0.2/32 dev kube-ipvs0
addr add 10.96.0.10/32 dev kube-ipvs0
addr add 10.96.0.12/32 dev kube-ipvs0
addr add 10.96.0.70/32 dev kube-ipvs0
addr add 10.96.0.71/32 dev kube-ipvs0
addr add fd00::1/128 dev kube-ipvs0 nodad
link set kube-ipvs0 up
link add pods type veth peer name eth0 netns pod
addr add 10.1.1.1/24 dev pods
addr add fd00:1::1/64 dev pods nodad
link set pods up
"""
POD_LINKS = """
addr add 10.1.1.2/24 dev eth0
addr add 10.1.1.4/24 dev eth0
addr add fd00:1::2/64 dev eth0 nodad
link set eth0 up
link set lo up
route add default via 10.1.1.1
route add ::/0 via fd00:1::1
"""
SERVERS = """
-A -t 10.96.0.1:80 -s rr
-a -t 10.96.0.1:80 -r 10.1.1.2:8080 -m -w 1
-a -t 10.96.0.1:80 -r 10.1.1.3:8080 -m -w 0
-A -t 10.96.0.2:443 -s wrr -p 10800
-a -t 10.96.0.2:443 -r 10.1.1.2:8080 -m -w 100 -x 200 -y 50
-A -t 10.96.0.3:443 -s sh -b sh-fallback,sh-port
-a -t 10.96.0.3:443 -r 10.1.1.2 -g -w 2
-a -t 10.96.0.3:443 -r 127.0.0.1 -g -w 2
-a -t 10.96.0.3:443 -r 10.1.1.9 -i -w 7
-a -t 10.96.0.3:443 -r 10.1.1.10 -i --tun-type gue --tun-port 6080 -w 7
-a -t 10.96.0.3:443 -r 10.1.1.11 -i --tun-type gre --tun-csum -w 65535
-A -t 10.96.0.4:0 -s wlc -p 360 -M 255.255.255.0
-a -t 10.96.0.4:0 -r 10.1.1.2:0 -m
-A -t 10.96.0.5:81 -s rr -b flag-1,flag-2
-A -u 10.96.0.10:53 -s lc
-a -u 10.96.0.10:53 -r 10.1.1.2:5353 -m -w 1
-A -u 10.96.0.11:53 -s lc -o
-A -u 10.96.0.11:5060 -s rr -p 60 -M 255.255.255.0 --pe sip
-A --sctp-service 10.96.0.12:3868 -s mh -b mh-port,mh-fallback
-a --sctp-service 10.96.0.12:3868 -r 10.1.1.2:3868 -m -w 3
-A --sctp-service [fd00::2]:3868 -s rr
-A -f 7 -s wlc
-a -f 7 -r 10.1.1.7:0 -m
-A -f 8 -6 -s dh -p 300 -M 64
-a -f 8 -6 -r [fd00:1::2]:0 -m
-A -f 70 -s rr
-a -f 70 -r 10.1.1.4:0 -m
-A -f 71 -s rr -p 300
-a -f 71 -r 10.1.1.4:0 -m
-A -t 10.96.0.20:80 -s sed
-a -t 10.96.0.20:80 -r 10.1.1.2:8080 -m
-A -t 10.96.0.21:80 -s lblc
-a -t 10.96.0.21:80 -r 10.1.1.2:8080 -m
-A -t 10.96.0.22:80 -s lblcr
-a -t 10.96.0.22:80 -r 10.1.1.2:8080 -m
-A -t 10.96.0.23:80 -s fo
-a -t 10.96.0.23:80 -r 10.1.1.2:8080 -m -w 2
-A -t 10.96.0.24:80 -s ovf
-a -t 10.96.0.24:80 -r 10.1.1.2:8080 -m -w 9
-A -t [fd00::1]:80 -s nq -p 100
-a -t [fd00::1]:80 -r [fd00:1::2]:8080 -m -w 1
-a -t [fd00::1]:80 -r [fd00:1::3]:8080 -m -w 0
"""
MARKS = ("10.96.0.70", "10.96.0.71")  # what is sent there has the mark of its last number
POD = """
import socket, threading
tcp = socket.create_server(("::", 8080), family=socket.AF_INET6, dualstack_ipv6=True)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("10.1.1.2", 5353))
sctp = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
sctp.bind(("10.1.1.2", 3868))
sctp.listen()
kept = []
print("ready", flush=True)
while True:
    kept.append(tcp.accept())
"""


def told(*argv: str, stdin: str | None = None) -> str:
    return subprocess.run(argv, input=stdin, check=True, stdout=subprocess.PIPE, text=True).stdout


def look(kernel: Linux) -> dict[str, Any]:
    some = (Virtual("TCP", "10.96.0.1", 80), Virtual("TCP", "fd00::1", 80), Virtual("UDP", "10.96.0.99", 53))
    return {
        "table": codec.encode(ipvs.collect(kernel, ipvs.Query(listing=True))),
        "some": codec.encode(ipvs.collect(kernel, ipvs.Query(only=some))),
        "sysctls": codec.encode(sysctls.collect(kernel, sysctls.Query())),
        "connections": codec.encode(ipvs_connections.collect(kernel, ipvs_connections.Query(most=1000))),
        "some connections": codec.encode(ipvs_connections.collect(kernel, ipvs_connections.Query(only=some))),
    }


def tools() -> dict[str, str]:
    return {
        "-Ln": told("ipvsadm", "-Ln"),
        "-Lnc": told("ipvsadm", "-Lnc"),
        "--stats": told("ipvsadm", "-Ln", "--stats", "--exact"),
        "--thresholds": told("ipvsadm", "-Ln", "--thresholds"),
        "--persistent-conn": told("ipvsadm", "-Ln", "--persistent-conn"),
        "--timeout": told("ipvsadm", "-L", "--timeout"),
        "sysctls": told("sysctl", "net"),
        "save": told("ipvsadm-save", "-n"),
    }


def steady(kernel: Linux) -> dict[str, Any]:
    """Our answers and the tool's of one moment: taken again while anything but the time left changed between them."""
    while True:
        before, seen, after = tools(), look(kernel), tools()
        if without_times(before) == without_times(after):
            return {"tools": before, "seen": seen}


def without_times(texts: dict[str, str]) -> dict[str, str]:
    return {name: re.sub(r"\d\d:\d\d ", "", text) for name, text in texts.items()}


def associated(address: str, port: int) -> socket.socket:
    """From one address only: through IPVS no other would be answered."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
    made.bind(("10.1.1.1", 0))
    made.connect((address, port))
    return made


def main() -> None:
    kernel = Linux(Stop(120))
    modules = Path("/proc/modules").read_text()
    absent = look(kernel)
    untouched = modules == Path("/proc/modules").read_text()
    told("modprobe", "-a", "ip_vs", "dummy", "veth", "sctp")
    empty = steady(kernel)
    told("ip", "netns", "add", "pod")
    told("ip", "-batch", "-", stdin=LINKS)
    told("ip", "-n", "pod", "-batch", "-", stdin=POD_LINKS)
    told("ipvsadm-restore", stdin=SERVERS.lstrip())
    for address in MARKS:
        mark = address.rpartition(".")[2]
        told("iptables-legacy", "-t", "mangle", "-A", "OUTPUT", "-d", address, "-j", "MARK", "--set-mark", mark)
    Path("/proc/sys/net/ipv4/vs/expire_quiescent_template").write_text("1")
    full = steady(kernel)
    with subprocess.Popen(["ip", "netns", "exec", "pod", "python3", "-c", POD], stdout=subprocess.PIPE) as pod:
        assert pod.stdout is not None
        pod.stdout.readline()
        addresses = [("10.96.0.1", 80)] * 2 + [("10.96.0.2", 443), ("fd00::1", 80), *[(address, 8080) for address in MARKS]]
        kept = [socket.create_connection(address) for address in addresses]
        kept.append(associated("10.96.0.12", 3868))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            datagrams.sendto(b"?", ("10.96.0.10", 53))
        told("ipvsadm", "-d", "-t", "10.96.0.1:80", "-r", "10.1.1.2:8080")
        time.sleep(2.5)  # the kernel's estimator adds statistics up every two seconds
        used = steady(kernel)
        for connection in kept:
            connection.close()
        pod.kill()
    sys.stdout.write(json.dumps({"absent": absent, "untouched": untouched, "empty": empty, "full": full, "used": used}))


if __name__ == "__main__":
    main()
