"""Recorded rules of real kube-proxies, with the objects that they were written for; the large ones from a packed file."""

from __future__ import annotations

import json
import lzma
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploy.lab.kubeproxy.model import Objects
from node_helper.netfilter.records import Ruleset
from workers.kubernetes import reading
from workers.objects import Cluster
from workers.rules import saved_iptables, saved_nft, saved_nft_json

DATA = Path(__file__).parent / "data"
VINTAGES = ("1.23", "1.30", "1.36")
SMALL = sorted(
    f"{folder.name}/{file.name}"
    for folder in DATA.glob("kube-proxy-*")
    for file in folder.glob("node[123].*")
    if "-save" in file.name or file.name.startswith("node2.nft")
)
LARGE = ("node1.iptables-save.txt", "node2.nft.txt", "node3.iptables-legacy-save.txt")
LARGE_JSON = "node2.nft.json"


def small(name: str) -> tuple[Cluster, str, str]:
    """The cluster, the node and the text of one recording."""
    folder, file = name.split("/")
    objects = {kind: json.loads((DATA / folder / f"{kind}.json").read_text()) for kind in ("services", "endpointslices", "nodes")}
    return cluster(objects), file.split(".")[0], (DATA / name).read_text()


def large(*names: str) -> dict[str, str]:
    """Texts of the recording with ten thousand services."""
    if names == (LARGE_JSON,):
        return {LARGE_JSON: lzma.open(DATA / f"ten-thousand-services.{LARGE_JSON}.xz", "rt").read()}
    with tarfile.open(DATA / "ten-thousand-services.tar.xz") as packed:
        files = {name: packed.extractfile(name) for name in names}
        return {name: file.read().decode() for name, file in files.items() if file is not None}


def large_cluster() -> Cluster:
    """Its objects, without the fields that no rule depends on."""
    texts = large("services.json", "endpointslices.json")
    return cluster({name.removesuffix(".json"): json.loads(text) for name, text in texts.items()})


def cluster(lists: Mapping[str, Any]) -> Cluster:
    """What `kubectl get -o json` printed, as a view."""
    services = [reading.service(each) for each in lists["services"]["items"]]
    slices = [reading.endpoint_slice(each) for each in lists["endpointslices"]["items"]]
    nodes = [reading.node(each) for each in lists.get("nodes", {"items": []})["items"]]
    return Cluster(
        "recorded",
        "2026-01-01T00:00:00Z",
        services={each.key: each for each in services},
        slices={each.key: each for each in slices},
        nodes={each.name: each for each in nodes},
    )


def seen(objects: Objects) -> Cluster:
    """The objects for which the lab's kube-proxies write rules."""
    kinds = {"services": objects.services, "endpointslices": objects.endpoint_slices, "nodes": objects.nodes}
    return cluster({kind: {"items": items} for kind, items in kinds.items()})


def parsed(name: str, text: str) -> Ruleset:
    """By the name of the file, as saved folders are read."""
    if name.endswith(".json"):
        return saved_nft_json.parse(text)
    if ".nft" in name:
        return saved_nft.parse(text)
    return saved_iptables.parse(text, "ip6" if "ip6tables" in name else "ip")
