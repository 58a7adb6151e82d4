"""``softmode demo``: the embedded example, end to end, and what came out of it in words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from softmode.cli.console import out, print_json, remark
from softmode.cli.running import FinishedRun, leave, run_to_end, summarise
from softmode.datasets.example import PUBLISHED_SIGMA, SAMPLED_BY
from softmode.errors import SoftmodeError
from softmode.leaderboard.beside import Candidate, candidates_of_study
from softmode.leaderboard.boards import HARMONIC, RANKED_BY, packaged
from softmode.panel import number
from softmode.potentials.resolution import resolve
from softmode.study.results import done
from softmode.study.settings import parse_study

#: Those that carry their weights, and one whose weights are fetched, where its package is there.
_CARRIED, _FETCHED = ("chgnet", "7net-0"), "nequix-mp-1"


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
    words = in_words(run)
    if as_json:
        print_json({**run.as_json(), "in_words": words})
    else:
        summarise(run)
        for sentence in words:
            out.print(sentence, markup=False)
    leave(run)


def _fetched() -> Sequence[str]:
    """The potential whose weights are fetched; none, which is said, where it cannot be had."""
    try:
        resolve(_FETCHED)
    except SoftmodeError as error:
        remark(f"without {_FETCHED}: {error.problem}")
        return ()
    return (_FETCHED,)


def in_words(run: FinishedRun) -> list[str]:
    """What came out, how sure it is, whose dynamics the frames are, and what to do next; from the numbers."""
    phonons, sigma = done(run.cells, HARMONIC), done(run.cells, "sigma")
    if phonons.empty or sigma.empty:
        return []
    candidates, _ = candidates_of_study(run.study, run.cells)
    reference, frames = float(sigma["sigma_reference_mean_t"].iloc[0]), int(sigma["n_frames"].iloc[0])
    largest = max(packaged(), key=lambda board: len(board.materials))
    bounds = "sigma_reference_mean_t_low"
    has_interval = bounds in sigma and bool(sigma[bounds].notna().all())
    by_potential = [
        f"{number(value, form='.3f')} by {name}"
        for name, value in zip(sigma["potential"], sigma["sigma_phi_model_mean_t"], strict=True)
    ]
    sure = "σ has an interval of the sampling" if has_interval else "too few for an interval of σ"
    return [
        f"What came out: RMSE(ω²), in THz², and rank with the packaged potentials: "
        f"{_listed(_scored(phonons, candidates))}. {_stability(phonons)} σ on its {frames} frames: "
        f"{number(reference, form='.3f')} by DFT, {_listed(by_potential)}.",
        f"How sure: one crystal, and {frames} frames in {len(SAMPLED_BY)} runs, {sure}. A rank on one "
        f"crystal is no ranking of potentials: `softmode leaderboard` has that of {len(largest.materials)}, "
        "with intervals.",
        f"Whose dynamics: the frames are of Langevin dynamics by {_listed(SAMPLED_BY)} near 300 K, no "
        f"neutral ground for these two; only their forces are DFT's. σ = {number(reference, form='.3f')} is "
        f"how anharmonic DFT is there, and not {PUBLISHED_SIGMA}.",
        "What next: `softmode phonons --reference FOLDER --potential NAME` for a crystal of yours, "
        "`softmode init study.toml` for many, `softmode potentials` for the names.",
    ]


def _scored(phonons: pd.DataFrame, candidates: Sequence[Candidate]) -> list[str]:
    by = RANKED_BY[HARMONIC]
    ranks = {
        one.potential: f" ({stand.rank.value:.0f} of {stand.of})"
        for one in candidates
        if one.measurement == HARMONIC and (stand := one.standing(by)) is not None
    }
    return [
        f"{row['potential']} {number(row[by.column])}{ranks.get(row['potential'], '')}"
        for _, row in phonons.iterrows()
    ]


def _stability(phonons: pd.DataFrame) -> str:
    """What DFT says of harmonic stability, and who says otherwise."""
    first = phonons.iloc[0]
    verdict = "stable" if first["mesh_stable_reference"] else "unstable"
    softest = f"softest mode {number(first['mesh_lowest_reference_THz'], form='.2f')} THz"
    said = f"DFT finds the cubic crystal harmonically {verdict} ({softest})"
    others = phonons.loc[~phonons["mesh_stability_agrees"].astype(bool), "potential"]
    return f"{said}; {_listed(others)} not." if len(others) else f"{said}, and so does every potential here."


def _listed(texts: Sequence[str] | pd.Series) -> str:
    *most, last = [str(text) for text in texts]
    return f"{', '.join(most)} and {last}" if most else last
