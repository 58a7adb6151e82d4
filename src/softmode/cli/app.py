"""Entry point: names the commands, imports the one that is called, and turns errors into one clear line."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from softmode.cli import console
from softmode.errors import SoftmodeError
from softmode.numerics import set_thread_variables


class Announced(NamedTuple):
    """A command as ``softmode --help`` lists it, known without importing its module.

    Attributes
    ----------
    panel : str
        Under which heading it stands.
    help : str
        One line; the first of the command's own docstring (a test compares them).
    attribute : str
        What its module calls it, where that is not the command's name; a function or a ``typer.Typer``.
    """

    panel: str
    help: str
    attribute: str = ""


#: The commands in the order they are listed. Each is imported from ``softmode.cli.<name>`` when it is called.
COMMANDS = {
    "demo": Announced(
        "Start here",
        "Score potentials on the embedded DFT phonons of Cs2AgBiBr6, beside the leaderboard, with a report.",
    ),
    "phonons": Announced(
        "One material", "Compare the phonons of potentials with the DFT phonons of one material."
    ),
    "passport": Announced(
        "One material",
        "Make the phonons of one material in many ways: how far figures move, how sure 'stable' is.",
    ),
    "sigma": Announced(
        "One material",
        "Anharmonicity σ⁽²⁾ of a trajectory: overall, per frame, element, site and phonon mode.",
    ),
    "measure": Announced(
        "One material", "Make one measurement of one material, with its own settings as options."
    ),
    "screen": Announced(
        "Potentials alone",
        "Rank compounds by dynamic stability, from a potential alone: lattice, softest mode, σ, class, cost.",
    ),
    "md": Announced(
        "Potentials alone",
        "Molecular dynamics of a potential alone: does the crystal survive, and how anharmonic is it?",
    ),
    "map": Announced(
        "Potentials alone",
        "Map of configuration space: does one trajectory visit what the other visits?",
        "map_command",
    ),
    "init": Announced(
        "Studies", "Write a study file with all settings, their defaults and what they are, to begin with."
    ),
    "run": Announced("Studies", "Run a study; interrupt it at any time and run it again to go on."),
    "status": Announced(
        "Studies", "Say how many cells of a study are done, failed (and why) and still to compute."
    ),
    "pack": Announced(
        "Studies",
        "Put a study's finished records into few large files, read where they lie; --undo takes them out.",
    ),
    "cluster": Announced(
        "Studies", "Runs on clusters: try whether workers can be started and see what they need."
    ),
    "report": Announced(
        "Studies",
        "Write the report of a study from its records, or of two side by side; nothing is computed.",
    ),
    "paper": Announced(
        "Studies",
        "Follow the paper, panel by panel: one page from a study's records; nothing is computed.",
    ),
    "fetch": Announced("Reference data", "Fetch reference data from where they are published."),
    "ingest": Announced(
        "Reference data",
        "Read a dataset once, so that studies start at once: set their path to the store.",
    ),
    "leaderboard": Announced(
        "What there is",
        "Rank published potentials by their phonons and anharmonicity on published DFT references.",
    ),
    "datasets": Announced(
        "What there is",
        "List the kinds of reference data, or the materials in one "
        "(`softmode datasets phonondb --path DIR`).",
    ),
    "potentials": Announced(
        "What there is",
        "List potentials: training data, level of theory, Hessians, size, licence, weights on this machine.",
    ),
}


def load_command(name: str) -> Any:
    """Import a command of :data:`COMMANDS`.

    Returns
    -------
    click command
    """
    announced = COMMANDS[name]
    with console.busy("loading"):
        found = getattr(import_module(f"softmode.cli.{name}"), announced.attribute or name)
    if not isinstance(found, typer.Typer):
        alone = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
        alone.command(name, cls=console.Command)(found)
        found = alone
    command = typer.main.get_command(found)
    command.name = name
    return command


class LazyCommands(TyperGroup):
    """The commands of :data:`COMMANDS`: listed from there, imported when one is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, announced in COMMANDS.items():
            self.commands[name] = TyperCommand(name, help=announced.help, rich_help_panel=announced.panel)

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]
        """The command that is called, imported."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command and load_command(command.name or ""), rest


app = typer.Typer(
    name="softmode",
    cls=LazyCommands,
    help="Do machine-learned potentials get lattice dynamics right? Scores potentials against DFT phonons.",
    epilog="Exit status: 0 all done; 1 an error, said in one line; 2 an option is wrong; 3 finished, but "
    "cells failed; 130 interrupted. With --json standard output holds one JSON document and nothing else.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"softmode {version('softmode')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[  # noqa: ARG001  its callback acts
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    trust: Annotated[
        bool,
        typer.Option("--trust", help="Do not warn that a model file or module of your own runs its code."),
    ] = False,
) -> None:
    """Score potentials against DFT lattice dynamics."""
    if trust:
        os.environ["SOFTMODE_TRUST"] = "1"


def main() -> None:
    """Run the command line."""
    set_thread_variables()
    console.quiet_libraries()
    try:
        app(standalone_mode=True)
    except SoftmodeError as error:
        console.fail(str(error))
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:
        console.fail(f"output: cannot be written ({error.strerror or error}). Make room there and try again.")
    except SystemExit as leaving:
        if leaving.code == console.INTERRUPTED:
            console.err.print("interrupted; what was finished is kept, run the same command to go on")
        raise
