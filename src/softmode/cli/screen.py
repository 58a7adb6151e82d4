"""``softmode screen``: are these compounds dynamically stable, says a potential alone?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
import typer
from rich.markup import escape
from rich.table import Table

from softmode.anharmonic.classes import CLASSES, WITHOUT_OWN_ERROR
from softmode.cli.console import out, print_json, say
from softmode.cli.running import leave, run_to_end, summarise
from softmode.notebook.studies import screening_settings
from softmode.panel import estimate, number
from softmode.study.label_results import labelled, open_labels, with_learnt_probabilities
from softmode.study.screening import ALONE, screening_table

_SHOWN = 40  # rows of the table in the terminal; the CSV has all
_WIDEST = len("unstable 100 %")


def _class(row: pd.Series, way: str) -> str:
    name = row[f"sigma_{way}_class"]
    if name is None or pd.isna(name):
        return "–"
    learnt, sampled = row.get(f"sigma_{way}_learnt_p_{name}"), row[f"sigma_{way}_p_{name}"]
    chance = sampled if learnt is None or pd.isna(learnt) else learnt
    return str(name) if pd.isna(chance) else f"{name} {100 * chance:.0f} %"


def _softest(row: pd.Series) -> str:
    if pd.isna(row["softest_mode_THz"]):
        return "–"
    return f"{row['softest_mode_THz']:.2f}, {row['softest_mode_at']}"


def _decided(row: pd.Series) -> str:
    """Which stage decided; of a crystal that left, when and for what."""
    if pd.isna(row["left_at_ps"]):
        return str(row["decided_by"])
    return f"left at {row['left_at_ps']:.1f} ps for {row['left_for'] or 'no symmetry'}"


def _ways(ranked: pd.DataFrame) -> list[str]:
    """Ways to σ in a ranked table."""
    return [way for way in ALONE if f"sigma_{way}" in ranked]


def _table(rows: pd.DataFrame, potential: str) -> Table:
    """Ranked compounds of one potential."""
    measured = _ways(rows)
    title = f"{escape(potential)}: most stable first"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="dim")
    table.add_column("", justify="right")
    table.add_column("compound", no_wrap=True)
    for way in measured:
        table.add_column(f"σ {way.replace('_', '-')}", no_wrap=len(measured) == 1)
    learnt = measured and f"sigma_{measured[0]}_learnt_p_{CLASSES[0]}" in rows
    own = "the potential's own error is in it, learnt from labels" if learnt else WITHOUT_OWN_ERROR
    table.add_column(f"class ({own})", min_width=_WIDEST)
    staged = "decided_by" in rows
    if staged:
        table.add_column("by", overflow="fold")
    table.add_column("softest, THz")
    table.add_column("a, Å", justify="right", no_wrap=True)
    table.add_column("s", justify="right", no_wrap=True)
    for _, row in rows.head(_SHOWN).iterrows():
        table.add_row(
            "–" if pd.isna(row["rank"]) else str(row["rank"]),
            escape(str(row["formula"])),
            *(estimate(row, f"sigma_{way}", form=".3f") for way in measured),
            _class(row, measured[0]) if measured else "–",
            *([_decided(row)] if staged else []),
            _softest(row),
            number(row["a_A"], form=".3f"),
            number(row["seconds"], form=".1f"),
        )
    return table


def _show(ranked: pd.DataFrame) -> None:
    """Print a table for each potential; what failed is told by the run."""
    for potential, rows in ranked[ranked["reason"].isna()].groupby("potential", sort=False):
        out.print(_table(rows, str(potential)))
        if len(rows) > _SHOWN:
            out.print(f"… and {len(rows) - _SHOWN} more in the table on disk")


def _nested(ranked: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a ranked table for JSON: what stands in it as JSON text becomes structure."""
    rows = [{str(name): value for name, value in row.items()} for row in ranked.to_dict("records")]
    for row in rows:
        for name in ("lowest_qpoint", "softest_by_point_THz"):
            if isinstance(row.get(name), str):
                row[name] = json.loads(row[name])
    return rows


def screen(
    structures: Annotated[
        list[str] | None,
        typer.Argument(
            help="CIF, POSCAR or other structure files, folders of them, lists of formulas (.csv, .txt), "
            "or formulas such as Cs2AgBiBr6.",
            show_default=False,
        ),
    ] = None,
    *,
    potential: Annotated[list[str], typer.Option(help="Potential; may be given several times.")],
    prototype: Annotated[
        str | None,
        typer.Option(help="Prototype of formulas: halide_double_perovskite, abx3, a2bx6 or rock_salt."),
    ] = None,
    temperature: Annotated[float, typer.Option(help="K.")] = 300.0,
    sampling: Annotated[
        Literal["staged", "self-consistent", "one-shot", "both"],
        typer.Option(
            help="Modes, samples and, where these cannot tell, short dynamics; or samples alone: with "
            "amplitudes from the forces that the moving crystal feels, those at rest, or each."
        ),
    ] = "staged",
    samples: Annotated[int, typer.Option(min=1, help="Thermal samples per compound.")] = 20,
    statistics: Annotated[str, typer.Option(help="classical or quantum amplitudes.")] = "classical",
    md: Annotated[
        bool, typer.Option("--md", help="Molecular dynamics too (hundreds of times the cost).")
    ] = False,
    steps: Annotated[int, typer.Option(min=1, help="Steps of each run of molecular dynamics.")] = 2000,
    relax: Annotated[bool, typer.Option(help="Relax lattice and positions first, symmetry kept.")] = True,
    labels: Annotated[
        Path | None,
        typer.Option(help="CSV of compounds with known σ: the screening is scored against it."),
    ] = None,
    draw: Annotated[
        int | None,
        typer.Option(min=1, help="Draw so many compounds from --labels, balanced over halides and classes."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of draw, samples and intervals.")] = 2026,
    output: Annotated[
        Path | None,
        typer.Option(
            help="Folder to write to. Default: runs/screening-<potential>-<digest of the question>.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Worker processes.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print verdict and ranked table as JSON.")] = False,
) -> None:
    """Rank compounds by dynamic stability, from a potential alone: lattice, softest mode, σ, class, cost.

    Interrupt it at any time and run it again to go on. Leaves with status 3 when compounds have failed.
    """
    settings = screening_settings(
        structures or [],
        potential,
        prototype=prototype,
        temperature=temperature,
        sampling=sampling,
        samples=samples,
        statistics=statistics,
        md_steps=steps if md else None,
        relax=relax,
        labels=labels,
        draw=draw,
        seed=seed,
        output=output,
        workers=workers,
    )
    finished = run_to_end(settings)
    ranked = screening_table(finished.cells)
    if settings.labels is not None:
        scores = labelled(finished.cells, open_labels(settings.labels), settings.conditions.seed)
        ranked = with_learnt_probabilities(ranked, scores)
    if as_json:
        print_json({"verdict": finished.verdict, "compounds": _nested(ranked)})
    else:
        _show(ranked)
        say("table", finished.page.parent / "tables" / "screening.csv")
        summarise(finished)
    leave(finished)
