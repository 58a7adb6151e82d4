"""Harmonic errors of the run's cells beside the anharmonicity of the reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from softmode.measurements.harmonic_panels import VG, W2
from softmode.panel import Entry, RecordLink, RowsLink, interval, linked
from softmode.report.paper.source import PaperData
from softmode.statistics.bootstrap import Estimate
from softmode.statistics.rank_correlation import correlations
from softmode.study.results import numbers_in
from softmode.study.sigma_results import reference_sigma

#: ⟨σ(t)⟩_t of the reference, in lists.
SIGMA_REFERENCE = "sigma_reference_mean_t"


def harmonic_errors(data: PaperData, label: str, group: str | None = None) -> pd.DataFrame:
    """Errors of a potential, smallest RMSE(ω²) first, with σ of the reference and the records of both.

    Parameters
    ----------
    data : PaperData
        The run.
    label : str
        The potential.
    group : str, optional
        Halide; all when not given.

    Returns
    -------
    pandas.DataFrame
        ``path_rmse_w2_THz2``, ``path_rmse_vg_THzA``, ``sigma_reference_mean_t`` (NaN where there is none),
        ``record``, ``digest``, ``sigma_record``, ``sigma_digest``.
    """
    known = reference_sigma(data.cells)
    rows = data.rows(label, "harmonic", group)
    sigma = rows["material"].map(known).astype(float)
    rows = rows.drop(columns=SIGMA_REFERENCE, errors="ignore").assign(**{SIGMA_REFERENCE: sigma})
    rows = rows.assign(**{name: numbers_in(rows, name) for name in (W2, VG)})
    rows = rows.sort_values(W2, kind="stable")
    columns = (W2, VG, SIGMA_REFERENCE)
    listed = data.with_records(rows, "harmonic", columns, {"sigma_": "reference_sigma"})
    return listed.reset_index(drop=True)


@dataclass(frozen=True)
class RankCorrelations:
    """Spearman's coefficients of harmonic errors with σ of the reference.

    Parameters
    ----------
    n : int
        Materials with all three numbers.
    w2, vg : Estimate
        Of RMSE(ω²) and RMSE(v_g), with 95 % bootstrap intervals over materials.
    """

    n: int
    w2: Estimate
    vg: Estimate

    def entries(self, link: RowsLink) -> tuple[Entry, ...]:
        """Number of materials and both coefficients with their intervals, with their source."""
        texts = (interval(*found, 2) for found in (self.w2, self.vg))
        return linked([str(self.n), *texts], link)


def rank_correlations(errors: pd.DataFrame, seed: int) -> RankCorrelations:
    """Rank correlation of the errors with σ of the reference, over materials that have both."""
    both = errors[np.isfinite(errors[[W2, VG, SIGMA_REFERENCE]].to_numpy(float)).all(axis=1)]
    sigma = both[SIGMA_REFERENCE].to_numpy(float)
    of = [correlations(both[name].to_numpy(float), sigma, seed)[1] for name in (W2, VG)]
    return RankCorrelations(len(both), of[0], of[1])


def record_of(data: PaperData, row: pd.Series, measurement: str = "harmonic") -> RecordLink | None:
    """Record that a row of :func:`harmonic_errors` came from."""
    return data.link(str(row["material"]), str(row["potential"]), measurement)
