"""Reports as checks make them, for what renders them."""

from __future__ import annotations

from workers.model import Confidence, Evidence, Finding, RawFile, Report, Severity, Shown, Table

AT = "2026-01-01T00:00:00Z"

PLACE = Table(
    "Pod",
    (
        ("pod", "default/hello-world-5b446dd74b-pxtzt"),
        ("IP", "10.244.1.4"),
        ("node", "node-one"),
        ("runtime", "containerd"),
        ("sandbox PID", "165"),
        ("netns", "/proc/165/ns/net (inode 4026532890)"),
        ("services", "default/hello-world"),
    ),
)
DEVICES = Table(
    "Interfaces",
    (("eth0 (index 3)", "10.244.1.4/24", "↔ veth4f7342d (index 11)", "cni0", "1450", "up"),),
    ("inside", "addresses", "on the node", "master", "MTU", "state"),
)
ROUTES = Table("Routes", (("default", "via 10.244.1.1 dev eth0"), ("10.244.1.0/24", "dev eth0")))
RAW = RawFile("hello-world.addr.txt", "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536\n")
VETH = Finding(
    id="veth-broken",
    severity=Severity.PROBLEM,
    claim="The host end of eth0 (veth4f7342d, index 11) is down",
    evidence=(
        Evidence("netlink RTM_GETLINK veth4f7342d, IFLA_OPERSTATE", "down", AT),
        Evidence("netlink RTM_GETLINK eth0 in the pod, IFLA_OPERSTATE", "lowerlayerdown", AT),
    ),
    disprove="IFLA_OPERSTATE of veth4f7342d being up.",
    fix="Delete the pod; if the next one is the same, look at the CNI's log on node-one.",
    subject="default/hello-world-5b446dd74b-pxtzt",
    node="node-one",
    look_further="pod default/client",
)
UNSEEN = Finding(
    id="unknown-node",
    severity=Severity.UNKNOWN,
    claim="Could not look at the pod's sandbox on node-two",
    evidence=(Evidence("asking node-two", "connection refused by 127.0.0.1 port 22", AT),),
    disprove="An answer from node-two would show the pod's sandbox.",
    fix="See whether sshd runs there; `netcheck-bot doctor` says what is wrong with this node.",
    node="node-two",
    confidence=Confidence.CANNOT_TELL,
)
HOSTILE = Finding(
    id="dns-unreachable",
    severity=Severity.WARNING,
    claim="The answer `<!channel>` *from* _web_ & <@U0123ABC> :white_check_mark: was\nnot \u202eexpected\x1b[31m",
    evidence=(Evidence("TXT of <!here>", "```<!channel>```\x00", AT),),
    disprove="~nothing~",
    fix="> none",
    subject="<#C0123ABC|ops>",
    confidence=Confidence.LIKELY,
)
SHOWN = Shown("default/hello-world-5b446dd74b-pxtzt on node-one", {"ip": "10.244.1.4"}, (PLACE, DEVICES, ROUTES), (RAW,))


def report(*findings: Finding, shown: Shown = SHOWN, asked: tuple[str, ...] = ("node-one",)) -> Report:
    """The answer to `pod hello-world` with these findings."""
    return Report("pod hello-world", "lab", 0.412, asked, findings, shown)


def huge() -> Report:
    """More of everything than a message holds."""
    findings = [VETH] * 3 + [UNSEEN] * 200
    rows = tuple((f"pod-{n}", "10.244.1.4", "node-one", "x" * 80) for n in range(5_000))
    tables = (Table("Pods", rows, ("name", "IP", "node", "<&>")), Table("More", tuple((f"k{n}", "v" * 400) for n in range(100))))
    nodes = tuple(f"node-{n}" for n in range(1_000))
    return report(*findings, shown=Shown("everything", {}, tables, (RAW,), ("a note",) * 9), asked=nodes)


REPORTS = {
    "healthy": report(),
    "problem": report(VETH),
    "unknown": report(UNSEEN, asked=("node-two",)),
    "both": report(VETH, UNSEEN, asked=("node-one", "node-two")),
    "hostile": report(HOSTILE),
    "huge": huge(),
}
