"""`make bench`: every benchmark of this folder, a table, and a file; `--compare OLD NEW` sets two such files side by side.

Each benchmark is a module with IDS, the rows that it must give, and `rows`, which measures them; what it cannot measure stands in
the file too, with the reason. All of them together end within `_SECONDS`.
"""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType, ModuleType

from rich.console import Console
from rich.table import Table

import benchmarks
from benchmarks._comparing import compared
from benchmarks._rows import Row, figures, missing

LATEST = Path(__file__).parent / "results" / "latest.json"
_SIGN = {True: "✅", False: "❌", None: "❔"}
_VERDICT = {"better": "[green]better", "worse": "[red]worse", "same": "", "new": "new", "gone": "gone"}
_SECONDS = 600
_LONGEST = 150


class _OutOfTime(Exception):
    """A benchmark took longer than it may."""


def main() -> int:
    """Exit status 0 also when a target is missed: these figures are read, not asserted."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("only", nargs="*", help="names of benchmarks; all without any, else their rows replace those in the file")
    parser.add_argument("--compare", nargs=2, type=Path, metavar=("OLD", "NEW"))
    args = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 160)
    if args.compare:
        _compare(console, *(json.loads(path.read_text())["rows"] for path in args.compare))
        return 0
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGALRM, _too_long)
    rows = list(_measured(args.only, console))
    LATEST.parent.mkdir(exist_ok=True)
    LATEST.write_text(json.dumps({"rows": _with_others(rows) if args.only else rows}, indent=1) + "\n")
    console.print(_table(rows))
    console.print(f"written to {LATEST}")
    return 0


def _leave(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  (the shape of a signal handler)
    sys.exit(128 + number)  # through every `finally`


def _too_long(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    raise _OutOfTime(f"took longer than {_LONGEST} s")


def _measured(only: Sequence[str], console: Console) -> Iterator[Row]:
    names = [m.name for m in pkgutil.iter_modules(benchmarks.__path__) if not m.name.startswith("_")]
    ends = time.monotonic() + _SECONDS
    for name in [name for name in names if not only or name in only]:
        began = time.monotonic()
        console.print(f"measuring {name} …")
        yield from _rows(importlib.import_module(f"benchmarks.{name}"), min(_LONGEST, int(ends - began)), console)
        console.print(f"  {time.monotonic() - began:.0f} s")


def _rows(module: ModuleType, seconds: int, console: Console) -> Iterator[Row]:
    """What a module measures, and for the rest of its rows why not: one that fails must not cost the others."""
    found: list[Row] = []
    why = "it gave no such row"
    signal.alarm(max(1, seconds))
    try:
        for row in module.rows():
            found.append(row)
            console.print(f"  {_SIGN[row['met']]} {row['id']}: {figures(row)}")
    except Exception as e:  # noqa: BLE001  (whatever it is, it stands in the file)
        why = f"{type(e).__name__}: {e}"
        console.print(f"  {why}")
    finally:
        signal.alarm(0)
    yield from found
    yield from missing(module.IDS, found, why)


def _with_others(rows: Sequence[Row]) -> list[Row]:
    """These, in the place of the older ones of the file."""
    before = json.loads(LATEST.read_text())["rows"] if LATEST.exists() else []
    now = {row["id"]: row for row in rows}
    kept = [now.pop(row["id"], row) for row in before]
    return [*kept, *now.values()]


def _table(rows: Sequence[Row]) -> Table:
    table = Table("", "id", "measured", "target", "what", "against")
    for row in rows:
        table.add_row(
            _SIGN[row["met"]], row["id"], figures(row), str(row.get("target", "")), row["what"], row.get("reference", "")
        )
    return table


def _compare(console: Console, old: Sequence[Row], new: Sequence[Row]) -> None:
    table = Table("id", "old", "new", "target", "moved", "beyond noise")
    changes = list(compared(old, new))
    for one in changes:
        table.add_row(one.id, one.old, one.new, one.target, one.by, _VERDICT[one.verdict])
    console.print(table)
    console.print(", ".join(f"{count} {verdict}" for verdict, count in Counter(one.verdict for one in changes).items()))


if __name__ == "__main__":
    sys.exit(main())
