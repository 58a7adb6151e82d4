"""Band structures of potentials alone: a few compounds of a screening side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from softmode.harmonic.qpoints import BandPath
from softmode.study.folder import Study
from softmode.study.records import Record
from softmode.style import figure_style, pretty_formula

FloatArray = NDArray[np.float64]

_COLUMNS = 3


@dataclass(frozen=True, eq=False)
class ModelBands:
    """Bands of one compound by one potential.

    Parameters
    ----------
    formula, caption : str
        What is shown, and what is known of it.
    path : BandPath
        Where.
    frequencies : (n_q, n_bands) array
        THz, imaginary negative.
    """

    formula: str
    caption: str
    path: BandPath
    frequencies: FloatArray


def chosen_compounds(ranked: pd.DataFrame, potential: str) -> pd.DataFrame:
    """Rows of the three most and the three least stable compounds of a potential; all where there are six."""
    rows = ranked[(ranked["potential"] == potential) & ranked["rank"].notna()]
    return rows if len(rows) <= 2 * _COLUMNS else pd.concat([rows.head(_COLUMNS), rows.tail(_COLUMNS)])


def model_bands(study: Study, rows: pd.DataFrame, potential: str, sigma: str) -> list[ModelBands]:
    """Bands of the compounds in some rows of the ranked table, as far as they were computed.

    Parameters
    ----------
    study : Study
        Where the records are.
    rows : pandas.DataFrame
        From :func:`chosen_compounds`.
    potential : str
        Whose.
    sigma : str
        Column that the captions give; empty for none.
    """
    cells = {cell.material.name: cell for cell in study.cells if cell.label == potential}
    found = []
    for _, row in rows.iterrows():
        record = study.record(cells[row["material"]], "model_phonons")
        if record is not None and record.ok:
            score = f"σ = {row[sigma]:.2f}, " if sigma and pd.notna(row[sigma]) else ""
            caption = f"{score}softest {row['softest_mode_THz']:.2f} THz at {row['softest_mode_at']}"
            found.append(_of_record(record, str(row["formula"]), caption))
    return found


def _of_record(record: Record, formula: str, caption: str) -> ModelBands:
    path = BandPath(
        points=record.arrays["qpoints"],
        distances=record.arrays["distances"],
        segments=tuple((a, b) for a, b in record.values["model_path_segments"]),
        points_per_segment=int(record.values["model_points_per_segment"]),
    )
    return ModelBands(formula, caption, path, record.arrays["frequencies_model"])


def model_band_figure(bands: list[ModelBands], colour: str) -> Figure:
    """Band structures, three in a row; imaginary modes below zero.

    Parameters
    ----------
    bands : list of ModelBands
        Of one potential, from stable to unstable.
    colour : str
        The potential's colour.
    """
    with figure_style():
        columns = min(_COLUMNS, len(bands))
        n_rows = -(-len(bands) // columns)
        figure = Figure(figsize=(3.5 * columns, 2.9 * n_rows))
        panels = figure.subplots(n_rows, columns, squeeze=False)
        for axes in panels.ravel()[len(bands) :]:
            axes.set_visible(False)
        for axes, item in zip(panels.ravel(), bands, strict=False):
            _draw(axes, item, colour)
        for axes in panels[:, 0]:
            axes.set_ylabel("frequency (THz)")
        return figure


def _draw(axes: Axes, item: ModelBands, colour: str) -> None:
    n = item.path.points_per_segment
    for index in range(len(item.path.segments)):
        piece = slice(index * n, (index + 1) * n)
        axes.plot(item.path.distances[piece], item.frequencies[piece], color=colour, linewidth=0.8)
    ticks = item.path.ticks()
    axes.set_xticks([position for position, _ in ticks], [label for _, label in ticks])
    axes.set_xlim(float(item.path.distances[0]), float(item.path.distances[-1]))
    axes.axhline(0.0, color="0.4", linewidth=0.6)
    low = float(item.frequencies.min())
    if low < -0.1:
        axes.axhspan(low * 1.05, 0.0, color="#D55E00", alpha=0.07, linewidth=0)
    axes.grid(axis="y", visible=False)
    axes.set_title(f"{pretty_formula(item.formula)}\n{item.caption}", fontsize=8)
