"""What commands share: JSON alone on standard output, whatever libraries print."""

from __future__ import annotations

import io
import json
import math
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from softmode.cli import console
from softmode.cli.console import count_from_now, jsonable, print_json


@dataclass(frozen=True)
class Point:
    name: str
    at: tuple[float, float]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (math.nan, None),
        (math.inf, None),
        (-math.inf, None),
        (np.float64("inf"), None),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.array([[1.0, np.nan], [np.inf, 2.0]]), [[1.0, None], [None, 2.0]]),
        (pd.NA, None),
        (pd.NaT, None),
        (Path("a") / "b", "a/b"),
        ({"x": {1: (True, None)}}, {"x": {"1": [True, None]}}),
        (Point("Γ", (0.0, math.nan)), {"name": "Γ", "at": [0.0, None]}),
    ],
)
def test_json_form(value: Any, expected: Any) -> None:
    found = jsonable(value)
    assert found == expected
    json.dumps(found, allow_nan=False)


def test_what_has_no_json_form_is_an_error() -> None:
    with pytest.raises(TypeError, match="object"):
        jsonable({"x": object()})


def test_one_document_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"σ": math.inf, "n": [1, 2]})
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail) == {"σ": None, "n": [1, 2]}


NOISY = """
import ctypes, multiprocessing, os, sys
import typer
from rich.console import Console
from softmode.cli import console

def in_a_worker():
    print("worker prints")
    os.system("echo its child prints")

def noisy(as_json: bool = typer.Option(False, "--json")) -> None:
    print("library prints")
    sys.stdout.write("and writes")
    ctypes.CDLL(None).puts(b"C prints")  # held back until the process ends, as standard output is a pipe
    os.write(1, b"descriptor 1 is written to")
    Console().print("rich prints")
    worker = multiprocessing.get_context("spawn").Process(target=in_a_worker)
    worker.start()
    worker.join()
    console.print_json({"answer": float("nan")})
    print("at the end")

app = typer.Typer()
app.command("noisy", cls=console.Command)(noisy)
if __name__ == "__main__":
    app()
"""


def test_standard_output_holds_the_document_alone(tmp_path: Path) -> None:
    program = tmp_path / "noisy.py"
    program.write_text(NOISY)
    done = subprocess.run(
        [sys.executable, str(program), "--json"], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == {"answer": None}
    for said in ("library", "C", "rich", "worker", "its child"):
        assert f"{said} prints" in done.stderr
    assert "descriptor 1 is written to" in done.stderr
    plain = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=True)
    assert "C prints" in plain.stdout
    assert plain.stderr == ""


def test_a_long_step_is_shown_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for terminal in (True, False):
        written = io.StringIO()
        monkeypatch.setattr(console, "err", Console(file=written, force_terminal=terminal, width=80))
        with console.busy("loading 7net-0"):
            time.sleep(0.2)
        assert ("loading 7net-0 …" in written.getvalue()) == terminal


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "less than 1 s"), (42.4, "42 s"), (600.0, "10 min"), (7200.0, "2.0 h")],
)
def test_durations(seconds: float, said: str) -> None:
    assert console.duration(seconds) == said


def test_control_characters_of_names_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("material")
    table.add_row(escape("Cu\x1b[2J"))
    console.out.print(table)
    console.say("report", "runs/\x1b]0;title\x07")
    console.out.print(console.failure_line("Cu\x1b[2J", "\udcff", "no\treason"))
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert r"runs/\x1b]0;title" in shown
    assert r"\udcff" in shown


def test_json_holds_names_that_are_not_utf_8(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": b"n\xffme".decode("utf-8", "surrogateescape"), "path": Path("a\udcff")})
    assert json.loads(capsys.readouterr().out) == {"name": r"n\udcffme", "path": r"a\udcff"}


def test_the_rate_counts_the_time_before_the_first_cell_too() -> None:
    now = [0.0]
    with Progress(get_time=lambda: now[0], disable=True, speed_estimate_period=3600.0) as bar:
        task = bar.add_task("computing cells", total=24)
        count_from_now(bar, task)
        for when in (10.0, 10.1):  # two workers, each with a cell of ten seconds
            now[0] = when
            bar.advance(task)
        assert bar.tasks[task].speed == pytest.approx(2 / 10.1)
        assert bar.tasks[task].time_remaining == 112  # 22 cells at that rate, rounded up
