"""Entry point: collects the commands and turns errors into one clear line."""

from __future__ import annotations

import importlib.metadata
import sys
from typing import Annotated

import typer

from softmode.cli import (
    console,
    datasets,
    demo,
    fetch,
    ingest,
    map,
    md,
    paper,
    phonons,
    potentials,
    report,
    run,
    screen,
    sigma,
    status,
)
from softmode.errors import SoftmodeError

app = typer.Typer(
    name="softmode",
    help="Do machine-learned potentials get lattice dynamics right? Scores potentials against DFT phonons.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


def _version(value: bool) -> None:
    if value:
        console.out.print(f"softmode {importlib.metadata.version('softmode')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Score potentials against DFT lattice dynamics."""


for module, panel in (
    (demo, "Start here"),
    (phonons, "One material"),
    (sigma, "One material"),
    (screen, "Potentials alone"),
    (md, "Potentials alone"),
    (map, "Potentials alone"),
    (run, "Studies"),
    (status, "Studies"),
    (report, "Studies"),
    (paper, "Studies"),
    (fetch, "Reference data"),
    (ingest, "Reference data"),
    (datasets, "What there is"),
    (potentials, "What there is"),
):
    module.register(app, panel)


_INTERRUPTED = 130  # what typer makes of Ctrl-C


def main() -> None:
    """Run the command line."""
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
        if leaving.code == _INTERRUPTED:
            console.err.print("interrupted; what was finished is kept, run the same command to go on")
        raise
