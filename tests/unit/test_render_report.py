"""What reports look like is held in tests/golden; NETCHECK_WRITE_GOLDEN=1 writes it anew, to be read in the diff."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.reports import RAW, REPORTS, UNSEEN, VETH, report
from tests.slack_limits import refuse_what_slack_refuses
from workers.model import Table
from workers.render import as_json, blocks, columns, terminal
from workers.render.message import Message

GOLDEN = Path(__file__).parents[1] / "golden"


def hold(path: Path, text: str) -> None:
    if os.environ.get("NETCHECK_WRITE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    assert path.read_text("utf-8") == text


def shown(message: Message) -> str:
    return "\n".join(json.dumps(block, ensure_ascii=False) for block in message.blocks)


@pytest.mark.parametrize("name", list(REPORTS))
def test_the_slack_message_is_as_recorded(name: str) -> None:
    message = blocks.message(REPORTS[name])
    hold(GOLDEN / f"{name}.blocks.json", json.dumps([message.text, *message.blocks], indent=1, ensure_ascii=False) + "\n")
    refuse_what_slack_refuses(message)


@pytest.mark.parametrize("name", [name for name in REPORTS if name != "huge"])
def test_the_terminal_text_is_as_recorded(name: str) -> None:
    hold(GOLDEN / f"{name}.txt", terminal.text(REPORTS[name]))


@pytest.mark.parametrize("name", [name for name in REPORTS if name != "huge"])
def test_the_json_is_as_recorded(name: str) -> None:
    hold(GOLDEN / f"{name}.json", json.dumps(json.loads(as_json.dumps(REPORTS[name])), indent=1) + "\n")


def test_json_has_the_documented_keys_in_their_order() -> None:
    said = json.loads(as_json.dumps(report(VETH)))
    assert list(said) == ["command", "cluster", "verdict", "took_s", "asked", "findings", "facts", "notes", "headline", "files"]
    assert list(said["findings"][0]) == [
        "id", "severity", "confidence", "node", "subject", "claim", "evidence", "disprove", "fix", "look_further",
    ]  # fmt: skip
    assert list(said["findings"][0]["evidence"][0]) == ["source", "value", "at"]


def test_the_verdict_comes_first_with_time_and_nodes() -> None:
    first = blocks.message(report(VETH, VETH, UNSEEN)).blocks[0]["text"]["text"]
    assert first.startswith("🔴 *problem* (2) and ❔ *cannot tell* · `pod hello-world` · 0.41 s · asked node-one\n")


def test_a_finding_has_a_button_that_looks_further() -> None:
    (button,) = [block["accessory"] for block in blocks.message(report(VETH)).blocks if "accessory" in block]
    assert (button["action_id"], button["value"]) == ("netcheck_run-1", "pod default/client")


def test_again_runs_the_command_that_it_is_given() -> None:
    below = blocks.message(report(), again="pod hello-world namespace=shop").blocks[-1]
    assert below["elements"][0]["value"] == "pod hello-world namespace=shop"


def test_a_message_that_holds_everything_has_the_raw_files_only() -> None:
    assert blocks.message(report(VETH)).files == (RAW,)


def test_what_is_cut_is_counted_and_whole_in_a_file() -> None:
    message = blocks.message(REPORTS["huge"])
    assert "197 more of the findings (❔ 197) and 1 of the tables" in shown(message)
    whole = message.files[0]
    assert (whole.name, message.files[1]) == ("report.txt", RAW)
    assert whole.text.count("Could not look at the pod's sandbox on node-two") == 200
    assert "pod-4999" in whole.text


def test_a_stored_message_is_the_same_message() -> None:
    message = blocks.message(report(VETH))
    assert Message.loads(message.dumps()).dumps() == message.dumps()


def test_colour_is_for_terminals_only() -> None:
    assert "\x1b[" in terminal.text(report(VETH), colour=True)
    assert "\x1b" not in terminal.text(REPORTS["hostile"])


def test_columns_are_aligned_by_what_letters_take_on_a_screen() -> None:
    rows = (("中文名", "."), ("abc", "."), ("🔴🔴", "."), ("e\u0301e\u0301", "."))
    lines = list(columns.lines(Table("", rows), 40))
    assert {cell_len(line.rpartition(".")[0]) for line in lines} == {8}


@pytest.mark.parametrize(
    "table", [Table("T", (("\x07" * 30 + "END", "b"),), ("a", "b")), Table("T", (("a", "b"),), ("h" * 70 + "END", "b"))]
)
def test_whatever_cell_is_cut_is_whole_in_the_file(table: Table) -> None:
    message = blocks.message(replace(REPORTS["healthy"], shown=replace(REPORTS["healthy"].shown, tables=(table,))))
    assert "END" not in shown(message)
    assert any("END" in file.text for file in message.files)
