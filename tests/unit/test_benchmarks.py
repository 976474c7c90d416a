"""Benchmarks: what two files of rows say beside each other, and what is put back whatever happens. Nothing is measured here."""

from __future__ import annotations

import importlib
import pkgutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import benchmarks
from benchmarks._comparing import compared
from benchmarks._rows import figures, megabytes, milliseconds, missing, rate, ratio, unmeasured

HOLD = """
import pathlib, sys, time
from benchmarks import _flows
_flows.MAXIMUM = pathlib.Path(sys.argv[1])
with _flows.room_for(1000):
    print(_flows.MAXIMUM.read_text(), flush=True)
    time.sleep(60)
"""


def verdicts(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> dict[str, str]:
    return {change.id: change.verdict for change in compared(old, new)}


def test_a_change_counts_only_beyond_the_noise_of_both_runs() -> None:
    old = [ratio("a", "", "t", [0.5, 0.6, 0.7], 1), ratio("b", "", "t", [0.5, 0.6, 0.7], 1), ratio("c", "", "t", [0.5, 0.51], 1)]
    new = [ratio("a", "", "t", [0.6, 0.7, 0.8], 1), ratio("b", "", "t", [0.8, 0.9], 1), ratio("c", "", "t", [0.3, 0.4], 1)]
    assert verdicts(old, new) == {"a": "same", "b": "worse", "c": "better"}


def test_of_rates_more_is_better_and_of_times_and_memory_less() -> None:
    old = [rate("r", "", [100, 110], 1), milliseconds("m", "", [10, 11, 12], 1), megabytes("p", "", [50], 1)]
    new = [rate("r", "", [200, 210], 1), milliseconds("m", "", [20, 21, 22], 1), megabytes("p", "", [40], 1)]
    assert verdicts(old, new) == {"r": "better", "m": "worse", "p": "better"}


def test_the_slowest_of_times_stands_beside_their_middle() -> None:
    assert "p50 3.00 ms" in (said := figures(milliseconds("m", "", [1, 2, 3, 4, *[3] * 300, 90], 5, "p50")))
    assert said.endswith("p99 3.00 ms, max 90.00 ms")


def test_rows_that_only_one_file_has_are_named() -> None:
    measured, not_measured = ratio("a", "", "t", [0.5], 1), unmeasured("b", "", "no root")
    assert verdicts([measured, not_measured], [not_measured]) == {"b": "same", "a": "gone"}
    assert verdicts([not_measured], [ratio("b", "", "t", [0.5], 1)]) == {"b": "new"}


def test_what_a_benchmark_did_not_give_says_why() -> None:
    assert missing({"a": "one", "b": "two"}, [ratio("a", "one", "t", [1.0], 1)], "no root") == [
        {"id": "b", "what": "two", "met": None, "why": "no root"}
    ]


def test_ids_are_each_of_one_benchmark() -> None:
    names = [m.name for m in pkgutil.iter_modules(benchmarks.__path__) if not m.name.startswith("_")]
    ids = [id_ for name in names for id_ in importlib.import_module(f"benchmarks.{name}").IDS]
    assert len(ids) == len(set(ids)) > 25


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_maximum_is_put_back_even_where_its_benchmark_is_killed(tmp_path: Path, number: signal.Signals) -> None:
    maximum = tmp_path / "nf_conntrack_max"
    maximum.write_text("100\n")
    with subprocess.Popen([sys.executable, "-c", HOLD, str(maximum)], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "1000\n"
        running.send_signal(number)
    until = time.monotonic() + 10
    while maximum.read_text() != "100\n" and time.monotonic() < until:
        time.sleep(0.01)
    assert maximum.read_text() == "100\n"
