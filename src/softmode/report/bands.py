"""Band structures of reference and model, taken from the records and drawn over each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from softmode.harmonic.qpoints import BandPath
from softmode.study.folder import Study
from softmode.study.records import Record
from softmode.style import REFERENCE_COLOUR, figure_style, plain, pretty_formula

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BandOverlay:
    """Reference and model bands of one cell.

    Parameters
    ----------
    material, formula, potential, role : str
        What is shown and why (``best``, ``median``, ``worst``; empty when there is only one).
    path : BandPath
        Where.
    reference, model : (n_q, n_bands) arrays
        Signed frequencies, THz.
    rmse_w2 : float
        THz², on the path.
    key : str
        Key of the record.
    """

    material: str
    formula: str
    potential: str
    role: str
    path: BandPath
    reference: FloatArray
    model: FloatArray
    rmse_w2: float
    key: str

    def pieces(self) -> list[slice]:
        """Stretches of the path that are drawn as one line: segments joined where they meet."""
        n = self.path.points_per_segment
        starts = [0]
        for index in range(1, len(self.path.segments)):
            if self.path.segments[index][0] != self.path.segments[index - 1][1]:
                starts.append(index * n)
        ends = [*starts[1:], len(self.path.distances)]
        return [slice(start, end) for start, end in zip(starts, ends, strict=True)]


def overlay_of_record(
    record: Record, material: str, formula: str, potential: str, role: str = ""
) -> BandOverlay:
    """Bands kept in a ``harmonic`` record."""
    path = BandPath(
        points=record.arrays["qpoints"],
        distances=record.arrays["distances"],
        segments=tuple((a, b) for a, b in record.values["path_segments"]),
        points_per_segment=int(record.values["points_per_segment"]),
    )
    return BandOverlay(
        material=material,
        formula=formula,
        potential=potential,
        role=role,
        path=path,
        reference=record.arrays["frequencies_reference"],
        model=record.arrays["frequencies_model"],
        rmse_w2=float(record.values["path_rmse_w2_THz2"]),
        key=record.key,
    )


def band_overlay(study: Study, potential: str, material: str, role: str) -> BandOverlay | None:
    """Bands of a cell, or None if it has none."""
    for cell in study.cells:
        if cell.label == potential and cell.material.name == material:
            record = study.record(cell, "harmonic")
            if record is not None and record.ok:
                return overlay_of_record(record, material, cell.material.formula, potential, role)
    return None


def _draw(axes: Axes, overlay: BandOverlay, colour: str) -> None:
    for piece in overlay.pieces():
        x = overlay.path.distances[piece]
        axes.plot(x, overlay.reference[piece], color=REFERENCE_COLOUR, linewidth=0.9)
        axes.plot(x, overlay.model[piece], color=colour, linewidth=0.9, linestyle=(0, (4, 1.5)))
    ticks = overlay.path.ticks()
    axes.set_xticks([position for position, _ in ticks], [label for _, label in ticks])
    axes.set_xlim(float(overlay.path.distances[0]), float(overlay.path.distances[-1]))
    axes.axhline(0.0, color="0.4", linewidth=0.6)
    axes.grid(axis="y", visible=False)
    role = f"{overlay.role}: " if overlay.role else ""
    name = f" ({plain(overlay.material)})" if overlay.material != overlay.formula else ""
    axes.set_title(
        f"{role}{pretty_formula(overlay.formula)}{name}\nRMSE(ω²) = {overlay.rmse_w2:.3g} THz²",
        fontsize=9,
    )


def band_figure(overlays: list[BandOverlay], colour: str) -> Figure:
    """Band structures side by side, reference solid, model dashed; imaginary modes below zero.

    Parameters
    ----------
    overlays : list of BandOverlay
        Of one potential.
    colour : str
        The potential's colour.
    """
    with figure_style():
        width = 4.4 * len(overlays) if len(overlays) > 1 else 5.6
        figure = Figure(figsize=(width, 3.9))
        panels = figure.subplots(1, len(overlays), squeeze=False)[0]
        for axes, overlay in zip(panels, overlays, strict=True):
            _draw(axes, overlay, colour)
        panels[0].set_ylabel("frequency (THz); imaginary below 0")
        handles = [
            Line2D([], [], color=REFERENCE_COLOUR, linewidth=1.2, label="reference (DFT)"),
            Line2D(
                [],
                [],
                color=colour,
                linewidth=1.2,
                linestyle=(0, (4, 1.5)),
                label=plain(overlays[0].potential),
            ),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=2)
        return figure
