"""The terminal command on a folder of saved evidence, and the recordings of a real cluster."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from bot.cli import cli
from tests.rule_samples import DATA

SAMPLES = DATA / "kube-proxy-1.36"
OBJECTS = ("services", "endpointslices", "nodes", "pods")
EVERYWHERE = {"10.244.1.1:8080": 0.3333, "10.244.1.3:8080": 0.3333, "10.245.1.2:8080": 0.3333}


def asked(words: str, folder: Path, *more: str) -> Result:
    return CliRunner().invoke(cli, ["check", *words.split(), "--from", str(folder), *more])


def report(words: str, folder: Path) -> Any:
    return json.loads(asked(words, folder, "--output", "json").stdout)


def objects_in(folder: Path, vintage: str = "1.36") -> Path:
    """The folder, with what a cluster's Kubernetes API lists."""
    for objects in OBJECTS:
        shutil.copy(DATA / f"kube-proxy-{vintage}" / f"{objects}.json", folder)
    return folder
