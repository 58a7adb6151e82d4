"""Results of the model alone: where its error in σ comes from, and one-shot sampling beside dynamics."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from softmode.statistics.bootstrap import bootstrap_median
from softmode.study.results import crystal_lost, done, numbers_in

#: Parts of ``sigma_model_only - sigma_reference``, in the order in which they add up.
PARTS = ("force_error", "hessian_error", "sampling_error")
#: As they are called; in tables with their sum.
PART_NAMES = dict(zip(PARTS, ("forces", "force constants", "configurations"), strict=True))
SUM_NAMES = {**PART_NAMES, "difference": "sum: σ alone − σ reference"}


def attribution(table: pd.DataFrame) -> pd.DataFrame:
    """Where the error of a potential alone comes from, cell by cell.

    ``sigma_model_only - sigma_reference = force error + Hessian error + sampling error``, exactly. The first
    two are averaged over both orders in which forces and force constants of the reference can be exchanged
    for those of the potential; the third is what changes on the configurations the potential makes itself.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`softmode.study.results.cell_table`.

    Returns
    -------
    pandas.DataFrame
        One row per cell in which all four σ are known. ``collapsed``: its dynamics lost the crystal, and
        σ_model_only is that of the frames before.
    """
    rows = done(done(table, "sigma"), "model_only")
    rows = rows[rows["sigma_model_only_mean_t"].notna()] if len(rows) else rows
    columns = ["material", "formula", "group", "potential"]
    if rows.empty:
        return pd.DataFrame(columns=[*columns, "collapsed", "difference", *PARTS])
    approaches = ("reference", "phi_ref", "phi_model", "model_only")
    sigma = {name: numbers_in(rows, f"sigma_{name}_mean_t") for name in approaches}
    found = rows[columns].assign(
        collapsed=_collapsed(rows),
        **{f"sigma_{name}": values for name, values in sigma.items()},
        difference=sigma["model_only"] - sigma["reference"],
        force_error=rows["sigma_force_error"].astype(float),
        hessian_error=rows["sigma_hessian_error"].astype(float),
        sampling_error=sigma["model_only"] - sigma["phi_model"],
    )
    # where a part of the frames was evaluated, the first two are on these; the third has what that leaves
    part = np.isfinite(numbers_in(rows, "sigma_n_evaluated"))
    rest = found["difference"] - found["force_error"] - found["hessian_error"]
    found["sampling_error"] = found["sampling_error"].where(~part, rest)
    largest = found[list(PARTS)].abs().to_numpy().argmax(axis=1)
    return found.assign(largest=[PARTS[index] for index in largest]).reset_index(drop=True)


def attribution_summary(parts: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Medians of the parts over materials, their sizes, and how often each is the largest.

    Parameters
    ----------
    parts : pandas.DataFrame
        From :func:`attribution`; cells whose crystal was lost are left out and counted.
    seed : int
        Seed of the bootstrap over materials.
    """
    rows = []
    for potential, cells in parts.groupby("potential", sort=False):
        kept = cells[~cells["collapsed"].astype(bool)]
        rng = np.random.default_rng(seed)
        for part in ("difference", *PARTS):
            values = kept[part].to_numpy(float)
            row: dict[str, Any] = {
                "potential": potential,
                "part": part,
                "n": len(kept),
                "n_collapsed": len(cells) - len(kept),
            }
            for name, of in (("median", values), ("median_size", np.abs(values))):
                row |= bootstrap_median(of, rng).columns(name)
            row["largest_in"] = int((kept["largest"] == part).sum()) if part in PARTS else None
            rows.append(row)
    return pd.DataFrame(rows)


def sampling_comparison(table: pd.DataFrame) -> pd.DataFrame:
    """σ of one-shot sampling beside that of molecular dynamics, for cells that have both.

    Returns
    -------
    pandas.DataFrame
        With ``agree``: the 95 % intervals overlap (empty where one is missing); ``same_class``.
    """
    rows = done(done(table, "one_shot"), "model_only")
    rows = rows[rows["sigma_model_only_mean_t"].notna()] if len(rows) else rows
    columns = ["material", "formula", "group", "potential"]
    if rows.empty:
        return pd.DataFrame(columns=columns)
    kept = {
        f"{way}{end}": numbers_in(rows, f"sigma_{way}_mean_t{end}")
        for way in ("one_shot", "model_only")
        for end in ("", "_low", "_high")
    }
    found = rows[columns].assign(**kept, collapsed=_collapsed(rows))
    overlap = (found["one_shot_low"] <= found["model_only_high"]) & (
        found["model_only_low"] <= found["one_shot_high"]
    )
    known = found[["one_shot_low", "model_only_low"]].notna().all(axis=1)
    return found.assign(
        agree=overlap.where(known, other=None),
        same_class=(rows["sigma_one_shot_class"] == rows["sigma_model_only_class"]),
        imaginary_modes=rows.get("one_shot_n_imaginary"),
    ).reset_index(drop=True)


def collapses(table: pd.DataFrame) -> pd.DataFrame:
    """Cells whose dynamics lost the crystal or left its phase: when, how many replicas, and the reasons."""
    columns = ["material", "formula", "group", "potential"]
    details = ["md_n_collapsed", "md_n_replicas", "md_first_collapse_step", "md_reason"]
    leaving = ["left_at_ps", "left_for", "tilt_deg", "off_centring_A"]
    details += [f"model_only_{name}" for name in leaving]
    rows = done(table, "model_only")
    if rows.empty:
        return pd.DataFrame(columns=[*columns, *details])
    return rows.loc[_collapsed(rows)].reindex(columns=[*columns, *details]).reset_index(drop=True)


def _collapsed(rows: pd.DataFrame) -> pd.Series:
    """Whether a replica lost the crystal or left its phase."""
    return pd.Series(crystal_lost(rows), index=rows.index)
