"""The ranked table of a screening: what potentials alone say of each compound."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from softmode.anharmonic.classes import CLASSES
from softmode.study.results import OK, crystal_lost, numbers_in

#: Ways to σ of a potential alone, the one that ranks first.
ALONE = ("model_only", "staged", "self_consistent", "one_shot")

#: Ways that can lose the crystal or see it leave its phase, and where they did.
LOSES: Mapping[str, Callable[[pd.DataFrame], NDArray[np.bool_]]] = {
    "model_only": crystal_lost,
    "staged": lambda rows: numbers_in(rows, "staged_left") == 1.0,
}

_IDENTITY = ("formula", "material", "group", "prototype", "potential", "state")
_COLUMNS = {
    "model_a_A": "a_A",
    "model_b_A": "b_A",
    "model_c_A": "c_A",
    "model_volume_per_atom_A3": "volume_per_atom_A3",
    "model_spacegroup": "spacegroup",
    "residual_force_eV_per_A": "residual_force_eV_per_A",
    "model_harmonically_stable": "harmonically_stable",
    "model_lowest_THz": "softest_mode_THz",
    "model_lowest_label": "softest_mode_at",
    "model_stability_margin_THz": "stability_margin_THz",
    "model_lowest_qpoint": "lowest_qpoint",
    "model_imaginary_share": "imaginary_share",
    "model_softest_THz": "softest_by_point_THz",
}
#: What a staged screening says besides σ.
_STAGED = ("decided_by", "md_steps", "left_at_ps", "left_for", "tilt_deg", "off_centring_A")


def ways(table: pd.DataFrame) -> tuple[str, ...]:
    """Ways to σ of a potential alone that a study took, the one that ranks first."""
    return tuple(way for way in ALONE if f"{way}_state" in table)


def _row(cell: pd.Series, measured: tuple[str, ...]) -> dict[str, Any]:
    row: dict[str, Any] = {name: cell[name] for name in _IDENTITY}
    if way := next((way for way in LOSES if way in measured), ""):
        row["crystal_lost"] = bool(LOSES[way](cell.to_frame().T)[0])
    for way in measured:
        prefix = f"sigma_{way}"
        row |= {
            **{f"{prefix}{end}": cell.get(f"{prefix}_mean_t{end}") for end in ("", "_low", "_high")},
            f"{prefix}_class": cell.get(f"{prefix}_class"),
            **{f"{prefix}_p_{name}": cell.get(f"{prefix}_p_{name}") for name in CLASSES},
        }
    row |= {new: cell.get(old) for old, new in _COLUMNS.items()}
    for new, old in (("n_imaginary_modes", "n_imaginary"), ("n_modes_without_amplitude", "n_treated")):
        given = [cell.get(f"{way}_{old}") for way in ("self_consistent", "one_shot")]
        row[new] = next((value for value in given if value is not None and not pd.isna(value)), None)
    row |= {name: cell.get(f"staged_{name}") for name in _STAGED if "staged" in measured}
    row |= {
        "calls": cell.get("calls"),
        "seconds": cell.get("seconds"),
        "note": _notes(cell, measured),
        "reason": cell.get("failure"),
    }
    return row


def _notes(cell: pd.Series, measured: tuple[str, ...]) -> str:
    """What was said of the relaxation, the samples or the dynamics, each only once."""
    texts = [cell.get(f"{way}_notes") for way in measured]
    relaxation = cell.get("relaxation_note")
    said = [relaxation] if isinstance(relaxation, str) and relaxation else []
    said += [cell["staged_reason"]] if isinstance(cell.get("staged_reason"), str) else []
    said += [note for text in texts if isinstance(text, str) for note in json.loads(text)]
    return "; ".join(dict.fromkeys(said))


def screening_table(table: pd.DataFrame) -> pd.DataFrame:
    """Compounds of each potential from dynamically stable to unstable; failures last, with their reason.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`softmode.study.results.cell_table`.

    Returns
    -------
    pandas.DataFrame
        One row per cell with ``rank`` (by σ within a potential; last when dynamics lost the crystal; none
        without σ), lattice, softest mode and
        where it is, σ with interval, class and probabilities by each way taken, cost in seconds, and the
        reason of a failure. Empty when the study asked nothing of the potentials alone.
    """
    measured = ways(table)
    if not measured and "model_phonons_state" not in table:
        return pd.DataFrame(columns=["rank", "formula", "material", "potential"])
    rows = pd.DataFrame([_row(cell, measured) for _, cell in table.iterrows()])
    by = [f"sigma_{way}" for way in measured]
    score = (rows[by].bfill(axis=1).iloc[:, 0] if by else -rows["softest_mode_THz"]).astype(float)
    if "crystal_lost" in rows:  # whatever σ was in the frames before
        score = score.mask(rows["crystal_lost"].astype(bool), np.inf)
    rows = rows.assign(_score=score)
    order = {name: index for index, name in enumerate(dict.fromkeys(rows["potential"]))}
    rows = rows.sort_values(
        ["potential", "_score", "formula"],
        key=lambda column: column.map(order) if column.name == "potential" else column,
        kind="stable",
    )
    rank = rows.groupby("potential", sort=False)["_score"].rank(method="first").astype("Int64")
    rows.insert(0, "rank", rank)
    return rows.drop(columns="_score").reset_index(drop=True)


def softest(table: pd.DataFrame) -> pd.DataFrame:
    """Lowest frequency at each high-symmetry point, THz: one row per finished cell, one column per point."""
    if "model_softest_THz" not in table:
        return pd.DataFrame(columns=["material", "formula", "potential"])
    known = table[(table["model_phonons_state"] == OK) & table["model_softest_THz"].notna()]
    points = pd.DataFrame([json.loads(text) for text in known["model_softest_THz"]], index=known.index)
    return pd.concat([known[["material", "formula", "potential"]], points], axis=1).reset_index(drop=True)
