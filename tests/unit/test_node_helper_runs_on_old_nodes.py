"""The helper runs where Python 3.9 is all there is: its syntax, its run-time typing, its imports and what it calls."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import pkgutil
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import node_helper

ROOT = Path(node_helper.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
MODULES = sorted(m.name for m in pkgutil.walk_packages([str(ROOT)], "node_helper.") if not m.name.endswith("__main__"))
OLDEST = (3, 9)
LAZY = frozenset({"pyroute2"})
NEWER_MODULES = frozenset({"tomllib", "wsgiref.types"})
NEWER_NAMES = {
    "itertools": {"pairwise", "batched"},
    "typing": {
        "TypeAlias", "ParamSpec", "Concatenate", "TypeGuard", "Self", "Never", "assert_never", "assert_type", "reveal_type",
        "LiteralString", "Required", "NotRequired", "Unpack", "TypeVarTuple", "dataclass_transform", "override", "is_typeddict",
    },
    "types": {"NoneType", "EllipsisType", "NotImplementedType", "UnionType", "get_original_bases"},
    "enum": {"StrEnum", "ReprEnum", "verify", "member", "nonmember", "global_enum", "property"},
    "contextlib": {"aclosing", "chdir"},
    "datetime": {"UTC"},
    "asyncio": {"TaskGroup", "timeout", "timeout_at", "Runner", "Barrier"},
    "hashlib": {"file_digest"},
    "inspect": {"get_annotations", "getmembers_static"},
    "operator": {"call"},
    "os": {"setns", "unshare", "eventfd", "splice", "EFD_CLOEXEC", "listdrives", "CLONE_NEWNET", "process_cpu_count"},
    "socket": {"send_fds_with_flags", "SO_INCOMING_CPU", "IP_RECVTOS"},
    "sys": {"exception", "orig_argv", "stdlib_module_names", "monitoring"},
    "threading": {"setprofile_all_threads", "settrace_all_threads", "gettrace", "getprofile"},
    "bisect": set(),
    "math": {"cbrt", "exp2", "sumprod", "fma"},
    "statistics": {"covariance", "correlation", "linear_regression", "fmean_weighted"},
    "time": set(),
    "functools": set(),
    "dataclasses": {"KW_ONLY"},
    "signal": set(),
    "builtins": set(),
}  # fmt: skip
NEWER_BUILTINS = frozenset({"aiter", "anext", "EncodingWarning", "BaseExceptionGroup", "ExceptionGroup"})
NEWER_ARGUMENTS = {
    "zip": {"strict"},
    "dataclass": {"slots", "kw_only", "match_args", "weakref_slot"},
    "field": {"kw_only"},
    "bisect": {"key"}, "bisect_left": {"key"}, "bisect_right": {"key"}, "insort": {"key"},
    "Popen": {"pipesize", "process_group"},
    "open": set(),
    "TypeVar": {"infer_variance", "default"},
    "walk_packages": set(),
    "enumerate": set(),
}  # fmt: skip
NEWER_METHODS = frozenset(
    {"bit_count", "add_note", "is_integer_ratio", "hardlink_to", "root_dir", "walk", "full_match", "removesuffixes"}
)


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture(params=FILES, ids=relative)
def tree(request: pytest.FixtureRequest) -> ast.Module:
    path: Path = request.param
    return ast.parse(path.read_text(), relative(path), feature_version=OLDEST)


def test_every_file_has_the_syntax_of_the_oldest_python(tree: ast.Module) -> None:
    assert isinstance(tree, ast.Module)
    assert not [node for node in ast.walk(tree) if isinstance(node, (ast.Match, ast.TryStar))]


def test_with_statements_have_no_brackets_around_several(tree: ast.Module) -> None:
    # Python 3.9's new parser happens to accept them, its documented grammar does not.
    for node in ast.walk(tree):
        if isinstance(node, ast.With) and len(node.items) > 1:
            assert node.items[0].context_expr.lineno == node.lineno


@pytest.mark.parametrize("name", MODULES)
def test_types_can_be_asked_for_at_run_time(name: str) -> None:
    module = importlib.import_module(name)
    for shape in _own(module):
        for hint in typing.get_type_hints(shape).values():
            assert "|" not in str(hint)


def _own(module: ModuleType) -> Iterator[type]:
    for _, shape in inspect.getmembers(module, dataclasses.is_dataclass):
        if isinstance(shape, type) and shape.__module__ == module.__name__ and not issubclass(shape, typing.Generic):
            yield shape  # of what crosses the wire; a Fact itself does not


def test_no_annotation_joins_types_with_a_bar(tree: ast.Module) -> None:
    for node in ast.walk(tree):
        for annotation in _annotations(node):
            assert not [part for part in ast.walk(annotation) if isinstance(part, ast.BinOp) and isinstance(part.op, ast.BitOr)]


def _annotations(node: ast.AST) -> Iterator[ast.expr]:
    for name in ("annotation", "returns"):
        found = getattr(node, name, None)
        if isinstance(found, ast.expr):
            yield found


def test_only_the_standard_library_is_imported_and_pyroute2_late(tree: ast.Module) -> None:
    allowed = sys.stdlib_module_names | {"node_helper"}
    at_once = {id(node) for node in tree.body}
    for node, name in _imports(tree):
        assert name not in NEWER_MODULES
        top = name.split(".")[0]
        assert top in allowed or (top in LAZY and id(node) not in at_once), f"line {node.lineno} imports {name}"


def _imports(tree: ast.Module) -> Iterator[tuple[ast.stmt, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            yield node, node.module or ""


def test_nothing_is_called_that_came_after_the_oldest_python(tree: ast.Module) -> None:
    assert not [(getattr(node, "lineno", 0), what) for node in ast.walk(tree) for what in _newer(node)]


def _newer(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom):
        yield from (f"{node.module}.{a.name}" for a in node.names if a.name in NEWER_NAMES.get(node.module or "", ()))
    elif isinstance(node, ast.Attribute):
        if isinstance(node.value, ast.Name) and node.attr in NEWER_NAMES.get(node.value.id, ()):
            yield f"{node.value.id}.{node.attr}"
        if node.attr in NEWER_METHODS and not (isinstance(node.value, ast.Name) and node.value.id in ("os", "ast")):
            yield f".{node.attr}"
    elif isinstance(node, ast.Name) and node.id in NEWER_BUILTINS:
        yield node.id
    elif isinstance(node, ast.Call):
        called = getattr(node.func, "id", getattr(node.func, "attr", ""))
        yield from (f"{called}({k.arg}=)" for k in node.keywords if k.arg in NEWER_ARGUMENTS.get(called, ()))
        if called == "isinstance" and any(isinstance(a, ast.BinOp) for a in node.args):
            yield "isinstance(a | b)"


@pytest.mark.parametrize(
    "newer",
    [
        "x = isinstance(1, int | str)",
        "zip([], [], strict=True)",
        "from typing import Self",
        "from itertools import pairwise",
        "import os; os.setns(1)",
        "(5).bit_count()",
        "@dataclass(slots=True)\nclass A: pass",
    ],
)
def test_this_test_would_notice(newer: str) -> None:
    assert [what for node in ast.walk(ast.parse(newer)) for what in _newer(node)]


def test_the_helper_starts_without_pyroute2_and_without_what_is_slow_to_import() -> None:
    code = "from node_helper.linux import Linux; from node_helper.facts import catalogue; catalogue()"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT.parent,
    )
    assert not {"pyroute2", "http.client", "email", "ssl", "asyncio", "subprocess", "urllib.request"} & set(done.stdout.split())
