"""`make bench`: every benchmark of this folder, a table, and a file; `--compare OLD NEW` sets two such files side by side."""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

import benchmarks
from benchmarks._rows import Row, unmeasured

LATEST = Path(__file__).parent / "results" / "latest.json"
_SIGN = {True: "✅", False: "❌", None: "❔"}


def main() -> int:
    """Exit status 0 also when a target is missed: these figures are read, not asserted."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("only", nargs="*", help="names of benchmarks; all without any")
    parser.add_argument("--compare", nargs=2, type=Path, metavar=("OLD", "NEW"))
    args = parser.parse_args()
    console = Console()
    if args.compare:
        console.print(_compared(*(json.loads(path.read_text())["rows"] for path in args.compare)))
        return 0
    rows = list(_measured(args.only, console))
    LATEST.parent.mkdir(exist_ok=True)
    LATEST.write_text(json.dumps({"rows": rows}, indent=1) + "\n")
    console.print(_table(rows))
    console.print(f"written to {LATEST}")
    return 0


def _measured(only: Sequence[str], console: Console) -> Iterator[Row]:
    names = [m.name for m in pkgutil.iter_modules(benchmarks.__path__) if not m.name.startswith("_")]
    for name in names:
        if only and name not in only:
            continue
        console.print(f"measuring {name} …")
        try:
            yield from importlib.import_module(f"benchmarks.{name}").rows()
        except Exception as e:  # noqa: BLE001  (one that cannot be measured must not cost the others)
            yield unmeasured(name, "", f"{type(e).__name__}: {e}")


def _table(rows: Sequence[Row]) -> Table:
    table = Table("", "id", "measured", "target", "what", "against")
    for row in rows:
        table.add_row(
            _SIGN[row["met"]], row["id"], _figures(row), str(row.get("target", "")), row["what"], row.get("reference", "")
        )
    return table


def _compared(old: Sequence[Row], new: Sequence[Row]) -> Table:
    before = {row["id"]: row for row in old}
    table = Table("id", "old", "new", "target")
    for row in new:
        was = _figures(before[row["id"]]) if row["id"] in before else "-"
        table.add_row(row["id"], was, _figures(row), str(row.get("target", "")))
    return table


def _figures(row: Row) -> str:
    if "ratio" in row:
        return "{median:.3f} ({min:.3f} to {max:.3f})".format(**row["ratio"])
    if "ms" in row:
        return "p50 {p50:.1f} ms, p99 {p99:.1f} ms".format(**row["ms"])
    return f"{row['per_s']:.0f}/s" if "per_s" in row else str(row.get("why", ""))


if __name__ == "__main__":
    sys.exit(main())
