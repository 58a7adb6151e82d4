"""Two potentials on the same materials of a study: which is better, on what, by how much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from softmode.crystal.arrays import FloatArray
from softmode.records import LACKED_MEMORY
from softmode.statistics.bootstrap import Estimate, drawn_rows, with_bounds
from softmode.statistics.matrix_tests import holm
from softmode.statistics.paired import compare_paired
from softmode.study.field_metrics import ERRORS, STABILITY, STABLE, sampled_scores, stability_scores
from softmode.study.results import FAILED, numbers_in
from softmode.style import distinct


class ComparedError(NamedTuple):
    """An error by which potentials are compared.

    Parameters
    ----------
    label : str
        As shown.
    column : str
        Of the table of cells; its absolute value is the error.
    less : str
        Column to be subtracted before that.
    measured_by : str
        Measurement whose failure counts as an infinite error.
    stable : bool
        Only of materials that are stable for the reference and both potentials.
    imaginary : bool
        Only of materials that are not: where neither side has an imaginary mode there is nothing to find.
    unit : str
        Of the error; its ratios have none.
    """

    label: str
    column: str
    less: str = ""
    measured_by: str = "harmonic"
    stable: bool = False
    unit: str = ""
    imaginary: bool = False


#: What potentials are compared by, where a study has it.
COMPARED_ERRORS = {
    "w2": ComparedError("RMSE(ω²)", "path_rmse_w2_THz2", unit="THz²"),
    "w2_rest": ComparedError("RMSE(ω²), slope removed", "path_rmse_w2_rest_THz2", unit="THz²"),
    "w2_own": ComparedError(
        "RMSE(ω²), own lattice", "path_rmse_w2_THz2_at_own", measured_by="lattice", unit="THz²"
    ),
    "w2_rest_own": ComparedError(
        "RMSE(ω²), own lattice, slope removed", "path_rmse_w2_rest_THz2_at_own", measured_by="lattice"
    ),
    "slope": ComparedError("RMSE(dω²/dq)", "path_rmse_slope_THz2A"),
    "vg": ComparedError("RMSE(v), group velocity", "path_rmse_vg_THzA"),
    "lowest": ComparedError("lowest mode, where imaginary", ERRORS["lowest_THz"], imaginary=True),
    "largest": ComparedError("largest mode", ERRORS["largest_THz"]),
    "dos": ComparedError("densities of states", ERRORS["dos_distance_THz"]),
    "entropy": ComparedError("entropy", ERRORS["entropy_J_per_molK"], stable=True),
    "free_energy": ComparedError("free energy", ERRORS["free_energy_kJ_per_mol"], stable=True),
    "heat_capacity": ComparedError("heat capacity", ERRORS["heat_capacity_J_per_molK"], stable=True),
    "forces": ComparedError("forces on the frames", "force_rmse_eV_per_A", measured_by="sigma"),
    "sigma": ComparedError(
        "σ, model's force constants", "sigma_phi_model_mean_t", "sigma_reference_mean_t", "sigma"
    ),
}
#: The verdict of harmonic stability; its figures are F1, of which more is better.
STABILITY_F1 = "stability_f1"
COMPARED_LABELS = {name: error.label for name, error in COMPARED_ERRORS.items()} | {
    STABILITY_F1: "F1 of harmonic stability"
}
_F1 = STABILITY.index("f1")


def errors_of(cells: pd.DataFrame, error: ComparedError) -> FloatArray:
    """An error of each cell; infinite where it failed, NaN where it is not known.

    The lowest mode is right where neither side finds an imaginary one: what is left of it is noise at Γ.

    Parameters
    ----------
    cells : pandas.DataFrame
        From :func:`softmode.study.results.cell_table`.
    error : ComparedError
        Which.
    """
    values = numbers_in(cells, error.column)
    if error.less:
        values = values - numbers_in(cells, error.less)
    if error.imaginary:
        values = np.where(np.isfinite(values) & ~unstable_anywhere(cells), 0.0, values)
    return np.where(failed_by_potential(cells, error.measured_by), np.inf, np.abs(values))


def unstable_anywhere(cells: pd.DataFrame) -> NDArray[np.bool_]:
    """Where the reference or the potential finds an imaginary mode."""
    sides = [_verdict(cells, name) == 0.0 for name in STABLE if name in cells]
    return np.asarray(np.any([np.zeros(len(cells), bool), *sides], axis=0), dtype=bool)


def failed_by_potential(cells: pd.DataFrame, measurement: str) -> NDArray[np.bool_]:
    """Where the potential is to blame for there being no result."""
    state = f"{measurement}_state"
    if state not in cells:
        return np.zeros(len(cells), dtype=bool)
    failed = (cells[state] == FAILED) & (cells["failure_kind"] != LACKED_MEMORY)
    return np.asarray(failed, dtype=bool)


def paired_table(
    cells: pd.DataFrame, seed: int | None, pairs: Sequence[tuple[str, str]] | None = None
) -> pd.DataFrame:
    """Compare potentials of a study in pairs, on the materials that both have.

    Parameters
    ----------
    cells : pandas.DataFrame
        From :func:`softmode.study.results.cell_table`.
    seed : int
        Of the bootstrap over materials (F1 of stability alone needs it); None: without.
    pairs : sequence of (str, str), optional
        Which potentials; all pairs when not given.

    Returns
    -------
    pandas.DataFrame
        One row for each pair and error of :data:`COMPARED_ERRORS` of which both have any, and for F1 of
        harmonic stability: ``median_first``, ``median_second`` (for stability F1 itself), ``difference`` and
        ``ratio`` of the second to the first with their bounds
        (:class:`softmode.statistics.paired.PairedComparison`),
        ``better``, ``worse``: materials on which the second is so; ``p_value`` of the sign test, ``p_holm``
        corrected for all rows of the table. Failures are infinite errors, and wrong verdicts.
    """
    names = distinct(cells["potential"])
    sides = _Sides.of(cells, names)
    rows = [
        {"first": first, "second": second} | found
        for first, second in (combinations(names, 2) if pairs is None else pairs)
        for found in _compared(sides, names.index(first), names.index(second), seed)
    ]
    table = pd.DataFrame(rows, columns=None if rows else ["first", "second", "error", "p_value"])
    return table.assign(p_holm=holm(table["p_value"]))


@dataclass(frozen=True, eq=False)
class _Sides:
    """What is compared, material by material (rows) and potential by potential (columns).

    Errors by name, infinite where it failed; whether the reference and the potential are stable (1 or 0),
    a failure being the wrong verdict; NaN where not known.
    """

    errors: Mapping[str, FloatArray]
    reference: FloatArray
    model: FloatArray
    failed: NDArray[np.bool_]

    @classmethod
    def of(cls, cells: pd.DataFrame, names: Sequence[str]) -> _Sides:
        """Of a table of cells."""
        materials = pd.Index(distinct(cells["material"]))
        at = materials.get_indexer(cells["material"]), pd.Index(names).get_indexer(cells["potential"])

        def spread(values: NDArray[Any], nothing: float = np.nan) -> FloatArray:
            matrix = np.full((len(materials), len(names)), nothing)
            matrix[at] = values
            return matrix

        return cls(
            {name: spread(errors_of(cells, error)) for name, error in COMPARED_ERRORS.items()},
            spread(_verdict(cells, STABLE[0])),
            spread(_verdict(cells, STABLE[1])),
            spread(failed_by_potential(cells, "harmonic"), 0.0) > 0.0,
        )


def _compared(sides: _Sides, first: int, second: int, seed: int | None) -> list[dict[str, Any]]:
    columns = [first, second]
    reference = np.fmax(sides.reference[:, first], sides.reference[:, second])
    model = sides.model[:, columns]
    stable = (reference == 1.0) & (model == 1.0).all(axis=1)
    unstable = (reference == 0.0) | (model == 0.0).any(axis=1)
    rows = []
    for name, error in COMPARED_ERRORS.items():
        errors = sides.errors[name][:, columns]
        kept = stable if error.stable else unstable if error.imaginary else True
        errors = errors[~np.isnan(errors).any(axis=1) & kept].T
        found = compare_paired(*errors)
        if found.n:
            rows.append(
                {"error": name, "n": found.n}
                | dict(zip(("median_first", "median_second"), np.median(errors, axis=1), strict=True))
                | found.difference.columns("difference")
                | found.ratio.columns("ratio")
                | {"better": found.better, "worse": found.worse, "p_value": found.p_value}
            )
    verdicts = np.where(sides.failed[:, columns], 1.0 - reference[:, None], model)
    known = np.isfinite(reference) & np.isfinite(verdicts).all(axis=1)
    return [*rows, _f1(reference[known], verdicts[known].T, seed)] if known.any() else rows


def other_tests(cells: pd.DataFrame) -> dict[str, FloatArray]:
    """p-values of all tests of :func:`paired_table` that are not of an error, by its name.

    A claim on one error is one of as many as there are tests: corrected for these, it is that of the table.
    """
    if STABLE[0] not in cells:
        return {}
    table = paired_table(cells, None)
    tested = table[table["p_value"].notna()]
    return {
        name: tested.loc[tested["error"] != name, "p_value"].to_numpy(float)
        for name in distinct(table["error"])
    }


def _verdict(cells: pd.DataFrame, column: str) -> FloatArray:
    """1 where stable, 0 where not, NaN where not known."""
    return np.asarray(cells[column].map({True: 1.0, False: 0.0}), dtype=np.float64)


def _f1(reference: FloatArray, verdicts: FloatArray, seed: int | None) -> dict[str, Any]:
    """F1 of both and its difference; the test is McNemar's: of those on which one is right, the other not."""
    rows = np.stack([np.broadcast_to(reference, verdicts.shape), verdicts], axis=-1)
    values = stability_scores(rows)[:, _F1]
    difference = Estimate(float(values[1] - values[0]))
    if len(reference) > 1 and seed is not None:
        sampled = [_sampled_f1(reference.tobytes(), verdict.tobytes(), seed) for verdict in verdicts]
        [difference] = with_bounds([difference.value], (sampled[1] - sampled[0])[:, None])
    found = compare_paired(*np.abs(verdicts - reference))
    return (
        {"error": STABILITY_F1, "n": found.n}
        | dict(zip(("median_first", "median_second"), map(float, values), strict=True))
        | difference.columns("difference")
        | Estimate(np.nan).columns("ratio")
        | {"better": found.better, "worse": found.worse, "p_value": found.p_value}
    )


@lru_cache(maxsize=256)
def _sampled_f1(reference: bytes, verdict: bytes, seed: int) -> FloatArray:
    """F1 in each bootstrap sample; a potential is in many pairs, mostly on the same materials."""
    sides = [np.frombuffer(side, dtype=np.float64) for side in (reference, verdict)]
    return sampled_scores(sides[0], sides[1], drawn_rows(len(sides[0]), seed))[:, _F1]
