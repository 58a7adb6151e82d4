"""The entry point: what it imports, and that what it announces is what the commands say."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from typing import Any

import pytest
import typer
from command_imports import imported, processor_time
from typer.testing import CliRunner

from softmode.cli.app import COMMANDS, app, load_command
from softmode.numerics import THREAD_VARIABLES

#: What `softmode --help` may import besides the standard library.
LIGHT = {
    *("softmode", "softmode.cli", "softmode.cli.app", "softmode.cli.console"),
    *("softmode.errors", "softmode.numerics"),
    *("typer", "click", "rich", "markdown_it", "mdurl", "pygments", "shellingham", "annotated_doc"),
    *("typing_extensions", "colorama", "attr"),
}


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ()])
def test_nothing_heavy_is_imported_for_help(arguments: tuple[str, ...]) -> None:
    assert imported(*arguments) <= LIGHT


def test_help_takes_half_a_second_of_processor_time_at_most() -> None:
    assert processor_time("--help") < 0.5


def docstring(name: str) -> str:
    """First line of what a command says of itself."""
    return str(load_command(name).help).strip().splitlines()[0]


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_announced_is_what_the_command_says(name: str) -> None:
    assert COMMANDS[name].help == docstring(name)


def test_help_shows_every_command_under_its_panel() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    place = result.stdout.index
    order = sorted(COMMANDS, key=lambda name: place(f"│ {name} "))
    assert order == list(COMMANDS)
    for announced in COMMANDS.values():
        assert f"─ {announced.panel} ─" in result.stdout


def test_a_misspelt_command_is_told_the_nearest() -> None:
    result = CliRunner().invoke(app, ["stauts"])
    assert result.exit_code == 2
    assert "'status'" in result.output


def test_commands_are_functions_or_groups_of_them() -> None:
    for name in COMMANDS:
        command = load_command(name)
        assert command.name == name
        called: Any = getattr(command, "callback", None)
        assert called is not None or command.commands
        assert called is None or "typer" not in inspect.signature(called).parameters


def test_numerical_libraries_get_one_thread_whatever_the_user_has_set() -> None:
    program = (
        "import os, sys; sys.argv = ['softmode', '--version']\n"
        "from softmode.cli.app import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "from threadpoolctl import threadpool_info\nimport numpy\n"
        "print(os.environ['OMP_NUM_THREADS'], {pool['num_threads'] for pool in threadpool_info()})"
    )
    environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, "2")}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.splitlines()[-1] == "1 {1}"


def test_the_app_is_a_typer_app() -> None:
    assert isinstance(app, typer.Typer)  # completion scripts and the tests of commands rely on it
