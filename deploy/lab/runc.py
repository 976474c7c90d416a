"""runc as a node can use it: without cgroup limits where the machine's cgroup v2 tree lacks the controllers for them."""

from __future__ import annotations

from deploy.lab.cgroups import Version
from deploy.lab.node import Node

_RUNC = "/usr/sbin/runc"
_WRAPPER = "/usr/local/sbin/runc-without-limits"
_WITHOUT_LIMITS = f"""#!/usr/bin/python3 -IS
# runc without cgroup limits; the cgroup's path stays. For a cgroup v2 tree without the controllers that limits need.
import json, os, sys
if "create" in sys.argv and "--bundle" in sys.argv:
    path = os.path.join(sys.argv[sys.argv.index("--bundle") + 1], "config.json")
    with open(path) as stream:
        config = json.load(stream)
    resources = config["linux"].get("resources", {{}})
    config["linux"]["resources"] = {{key: resources[key] for key in ("devices",) if key in resources}}
    with open(path, "w") as stream:
        json.dump(config, stream)
os.execv("{_RUNC}", ["runc", *sys.argv[1:]])
"""


def fitting(node: Node) -> str:
    """The path, in the node, of a runc that can start containers there."""
    if node.cgroup.version is Version.V1:
        return _RUNC
    controllers = node.path("/sys/fs/cgroup/cgroup.controllers").read_text().split()
    if {"cpu", "memory", "pids"} <= set(controllers):
        return _RUNC
    node.write(_WRAPPER, _WITHOUT_LIMITS, mode=0o755)
    return _WRAPPER
