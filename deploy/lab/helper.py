"""The node helper as it is installed on a node: root's, byte-compiled, started only through its forced command."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import shutil
import subprocess
from pathlib import Path

from deploy.lab.errors import LabError
from deploy.lab.node import Node
from deploy.lab.packages import Tools, exclusive
from node_helper import known

FOLDER = "/usr/local/lib/netcheck"
LAUNCHER = f"{FOLDER}/node-helper"
COMMAND = f"{LAUNCHER} serve"
_PYTHON = "/usr/bin/python3"
_LAUNCHER_TEXT = f"""#!{_PYTHON} -ISB
import sys

sys.path.insert(0, "{FOLDER}")
from node_helper.__main__ import main

sys.exit(main(sys.argv[1:]))
"""
_SOURCES = shutil.ignore_patterns("__pycache__", "*.pyc")


def build(tools: Tools, folder: Path) -> Path:
    """Make ``folder``, which then holds all that :func:`install` puts on a node."""
    shutil.copytree(_pyroute2(tools), folder / "pyroute2")
    shutil.copytree(_package("node_helper"), folder / "node_helper", ignore=_SOURCES)
    schemas = known.these(known.everything()).schemas
    (folder / "node_helper" / known.FILE).write_text(json.dumps(schemas), encoding="ascii")
    _compile(tools, folder / "node_helper")
    launcher = folder / Path(LAUNCHER).name
    launcher.write_text(_LAUNCHER_TEXT, encoding="ascii")
    launcher.chmod(0o755)
    return folder


def install(node: Node, built: Path) -> None:
    """Put the helper where a node has it. The node's ``/usr/local`` is its own."""
    shutil.copytree(built, node.path(FOLDER), dirs_exist_ok=True)


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise LabError(f"the package {name} is not installed; run make install")
    return Path(spec.origin).parent


def _pyroute2(tools: Tools) -> Path:
    """pyroute2, compiled for the node's Python; kept, because compiling it takes seconds."""
    python = subprocess.run(tools.argv([_PYTHON, "-V"]), capture_output=True, text=True, check=True).stdout.split()[1]
    kept = tools.cache / f"pyroute2-{importlib.metadata.version('pyroute2')}-python{python}"
    with exclusive("pyroute2"):
        if not kept.exists():
            partial = kept.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            shutil.copytree(_package("pyroute2"), partial, ignore=_SOURCES)
            _compile(tools, partial)
            partial.rename(kept)
    return kept


def _compile(tools: Tools, folder: Path) -> None:
    compile_all = [_PYTHON, "-ISm", "compileall", "-q", "--invalidation-mode", "unchecked-hash", str(folder)]
    done = subprocess.run(tools.argv(compile_all), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"the node helper does not compile on a node's Python\n{done.stdout}{done.stderr}")
