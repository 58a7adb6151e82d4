"""``softmode demo``: the embedded example, end to end, and what came out of it in words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from softmode.cli.console import out, print_json, remark
from softmode.cli.running import FinishedRun, leave, run_to_end, summarise, tell
from softmode.datasets.example import PUBLISHED_SIGMA, SAMPLED_BY
from softmode.errors import SoftmodeError
from softmode.leaderboard.beside import candidates_of_study
from softmode.leaderboard.boards import HARMONIC, RANKED_BY
from softmode.panel import number
from softmode.potentials.resolution import resolve
from softmode.study.results import done
from softmode.study.settings import parse_study
from softmode.study.verdict.statement import Statement, listed

#: Those that carry their weights, and one whose weights are fetched, where its package is there.
_CARRIED, _FETCHED = ("chgnet", "7net-0"), "nequix-mp-1"
_NEXT = (
    "Next: `softmode phonons --reference FOLDER --potential NAME` for a crystal of yours, "
    "`softmode init study.toml` for many, `softmode potentials` for the names."
)


def demo(
    output: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("softmode-demo"),
    potential: Annotated[
        list[str] | None, typer.Option(help="Potential to score; may be given several times.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Score potentials on the embedded DFT phonons of Cs2AgBiBr6, beside the leaderboard, with a report.

    CHGNet, SevenNet-0 and, where it is installed and its weights can be had, a Nequix.
    """
    content = {
        "name": "Demo: Cs2AgBiBr6",
        "output": str(output.resolve()),
        "dataset": {"kind": "example"},
        "potential": [{"name": name} for name in potential or [*_CARRIED, *_fetched()]],
    }
    run = run_to_end(parse_study(content, "demo"))
    more = beside(run)
    if as_json:
        print_json({**run.as_json(), "verdict": [*run.verdict, *more]})
    else:
        summarise(run)
        tell(more)
        out.print(_NEXT, markup=False)
    leave(run)


def _fetched() -> Sequence[str]:
    """The potential whose weights are fetched; none, which is said, where it cannot be had."""
    try:
        resolve(_FETCHED)
    except SoftmodeError as error:
        remark(f"without {_FETCHED}: {error.problem}")
        return ()
    return (_FETCHED,)


def beside(run: FinishedRun) -> list[Statement]:
    """What is true of this crystal: ranks with the packaged potentials, and whose dynamics the frames are."""
    phonons, sigma = done(run.cells, HARMONIC), done(run.cells, "sigma")
    if phonons.empty or sigma.empty:
        return []
    by = RANKED_BY[HARMONIC]
    candidates, _ = candidates_of_study(run.study, run.cells)
    ranks = [
        f"{one.potential} {stand.rank.value:.0f} of {stand.of}"
        for one in candidates
        if one.measurement == HARMONIC and (stand := one.standing(by)) is not None
    ]
    reference = number(float(sigma["sigma_reference_mean_t"].iloc[0]), form=".3f")
    frames = Statement(
        "reference",
        f"Whose dynamics: the frames are of Langevin dynamics by {listed(SAMPLED_BY)} near 300 K, no neutral "
        f"ground for these two; only their forces are DFT's. σ = {reference} is how anharmonic DFT is there, "
        f"and not {PUBLISHED_SIGMA}.",
    )
    if not ranks:
        return [frames]
    text = f"Rank by {by.short} with the packaged potentials on this crystal: {listed(ranks)}."
    return [Statement("lead", text, panel="leaderboard"), frames]
