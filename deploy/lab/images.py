"""The images of the lab's pods: one layer of static busybox, and the same with dnsmasq and the libraries it needs."""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from deploy.lab.packages import Tools, exclusive

PAUSE = "lab.local/pause:1"
BUSYBOX = "lab.local/busybox:1"
DNS = "lab.local/dns:1"
_APPLETS = ("cat", "hostname", "httpd", "id", "ip", "ls", "nc", "nslookup", "ping", "sh", "sleep", "timeout", "wget")
_FOLDERS = ("bin", "dev", "etc", "proc", "root", "sys", "tmp", "www")
_PAUSE_SCRIPT = b'#!/bin/sh\ntrap "exit 0" TERM INT\nwhile :; do sleep 3600 & wait $!; done\n'
# kube-proxy's name and its two ports; the lab writes the rules, and what is served here, from outside.
_PROXY_SCRIPT = b"""#!/bin/sh
trap "exit 0" TERM INT
httpd -f -p 10256 -h /status/health &
httpd -f -p 127.0.0.1:10249 -h /status/metrics &
while :; do wait; sleep 3600 & wait $!; done
"""
_LIBRARY = re.compile(r"(/\S+\.so\S*)")


def archives(tools: Tools) -> tuple[Path, ...]:
    """The images as docker archives in the cache; made once for each version of what is in them."""
    base = {"bin/busybox": tools.file("/usr/bin/busybox").read_bytes()}
    return (
        _archive(tools, "busybox", (PAUSE, BUSYBOX), base),
        _archive(tools, "dns", (DNS,), {**base, **_with_libraries(tools, "/usr/sbin/dnsmasq")}),
    )


def _with_libraries(tools: Tools, program: str) -> Mapping[str, bytes]:
    listed = subprocess.run(tools.argv(["ldd", program]), capture_output=True, text=True, check=True).stdout
    paths = {program, *(_merged(p) for p in _LIBRARY.findall(listed))}
    return {path.removeprefix("/"): tools.file(path).read_bytes() for path in sorted(paths)}


def _merged(path: str) -> str:
    """Where a library is, for a path that may go through the merged ``/lib``."""
    return path if path.startswith("/usr/") else f"/usr{path}"


def _archive(tools: Tools, name: str, tags: Iterable[str], files: Mapping[str, bytes]) -> Path:
    layer = _layer(files)
    key = hashlib.sha256(layer).hexdigest()
    archive = tools.cache / f"{name}-{key[:12]}.tar"
    with exclusive("images"):
        if not archive.exists():
            partial = archive.with_suffix(".partial")
            _write(partial, tags, layer)
            partial.rename(archive)
    return archive


def _layer(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder in sorted({*_FOLDERS, *_parents(files)}):
            tar.addfile(_entry(folder, tarfile.DIRTYPE))
        ours = {"pause": _PAUSE_SCRIPT, "bin/kube-proxy": _PROXY_SCRIPT, "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\n"}
        for path, data in sorted({**files, **ours}.items()):
            tar.addfile(_entry(path, tarfile.REGTYPE, size=len(data)), io.BytesIO(data))
        for applet in _APPLETS:
            tar.addfile(_entry(f"bin/{applet}", tarfile.SYMTYPE, target="busybox"))
        for link in ("lib", "lib64"):
            tar.addfile(_entry(link, tarfile.SYMTYPE, target=f"usr/{link}"))
    return buffer.getvalue()


def _parents(files: Iterable[str]) -> set[str]:
    return {str(parent) for path in files for parent in PurePosixPath(path).parents if str(parent) != "."}


def _entry(path: str, kind: bytes, *, size: int = 0, target: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path)
    entry.type, entry.size, entry.linkname, entry.mode = kind, size, target, 0o755
    return entry


def _write(archive: Path, tags: Iterable[str], layer: bytes) -> None:
    """The layout that ``docker save`` writes and containerd imports."""
    digest = hashlib.sha256(layer).hexdigest()
    config = json.dumps(_config(digest), sort_keys=True).encode()
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": config_name, "RepoTags": list(tags), "Layers": [f"{digest}/layer.tar"]}]
    members = {
        config_name: config,
        f"{digest}/layer.tar": layer,
        "manifest.json": json.dumps(manifest).encode(),
    }
    with tarfile.open(archive, "w") as tar:
        for path, data in members.items():
            tar.addfile(_entry(path, tarfile.REGTYPE, size=len(data)), io.BytesIO(data))


def _config(layer_digest: str) -> dict[str, object]:
    return {
        "architecture": "amd64",
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {"Entrypoint": ["/pause"], "Env": ["PATH=/bin:/usr/sbin"], "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "netcheck lab"}],
    }
