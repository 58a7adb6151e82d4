"""Band structures from the records: reference and model over each other, and potentials alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from softmode.crystal.arrays import FloatArray
from softmode.harmonic.qpoints import BandPath
from softmode.measurements.noise_floor import NOISE_FLOOR
from softmode.records import Record
from softmode.study.folder import Study
from softmode.style import REFERENCE_COLOUR, figure_style, legend_below, plain, pretty_formula

_DASHED = (0, (4, 1.5))
NOISE_COLOUR = "#E4E4E4"


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
    rmse_w2, mae_w2 : float
        THz², on the path.
    key : str
        Key of the record.
    floor : float
        Frequencies of the potential below are noise, THz.
    measured : bool
        Whether that was measured; what force constants tell of themselves is the least it can be.
    """

    material: str
    formula: str
    potential: str
    role: str
    path: BandPath
    reference: FloatArray
    model: FloatArray
    rmse_w2: float
    mae_w2: float
    key: str
    floor: float
    measured: bool

    def pieces(self) -> list[slice]:
        """Stretches of the path that are drawn as one line: segments joined where they meet."""
        starts = [0, *self.path.breaks()]
        ends = [*starts[1:], len(self.path.distances)]
        return [slice(start, end) for start, end in zip(starts, ends, strict=True)]


def _path(record: Record, prefix: str = "") -> BandPath:
    return BandPath(
        points=record.arrays["qpoints"],
        distances=record.arrays["distances"],
        segments=tuple((a, b) for a, b in record.values[f"{prefix}path_segments"]),
        points_per_segment=int(record.values[f"{prefix}points_per_segment"]),
    )


def _floor(record: Record, name: str, noise: Record | None) -> float:
    """What is known of the noise: by a measurement of it, else by the force constants themselves."""
    return float(record.values[name] if noise is None else noise.values[NOISE_FLOOR])


def overlay_of_record(
    record: Record,
    material: str,
    formula: str,
    potential: str,
    role: str = "",
    noise: Record | None = None,
) -> BandOverlay:
    """Bands kept in a ``harmonic`` record, and the noise, of a record of its own where it was measured."""
    return BandOverlay(
        material=material,
        formula=formula,
        potential=potential,
        role=role,
        path=_path(record),
        reference=record.arrays["frequencies_reference"],
        model=record.arrays["frequencies_model"],
        rmse_w2=float(record.values["path_rmse_w2_THz2"]),
        mae_w2=float(record.values["path_mae_w2_THz2"]),
        key=record.key,
        floor=_floor(record, "noise_floor_model_THz", noise),
        measured=noise is not None,
    )


def band_overlay(
    study: Study,
    potential: str,
    material: str,
    role: str,
    phonons: Callable[[str, str], Record | None] | None = None,
) -> BandOverlay | None:
    """Bands of a cell, or None if it has none; `phonons` has ``harmonic`` records that were read before."""
    read = phonons or partial(study.result, measurement="harmonic")
    record = read(material, potential)
    if record is None:
        return None
    formula = next(case.material.formula for case in study.cases if case.material.name == material)
    noise = study.result(material, potential, "noise_floor")
    return overlay_of_record(record, material, formula, potential, role, noise)


def _frame(axes: Axes, path: BandPath, floor: float) -> None:
    """Special points below, a line at zero, a band where frequencies are noise."""
    axes.axhspan(-floor, floor, color=NOISE_COLOUR, linewidth=0, zorder=0)
    positions, labels = zip(*path.ticks(), strict=True)
    axes.set_xticks(positions, labels)
    axes.set_xlim(float(path.distances[0]), float(path.distances[-1]))
    axes.axhline(0.0, color="0.4", linewidth=0.6)
    axes.grid(axis="y", visible=False)


def _draw(axes: Axes, overlay: BandOverlay, colour: str) -> None:
    for piece in overlay.pieces():
        x = overlay.path.distances[piece]
        axes.plot(x, overlay.reference[piece], color=REFERENCE_COLOUR, linewidth=0.9)
        axes.plot(x, overlay.model[piece], color=colour, linewidth=0.9, linestyle=_DASHED)
    _frame(axes, overlay.path, overlay.floor)
    role = f"{overlay.role}: " if overlay.role else ""
    name = f" ({plain(overlay.material)})" if overlay.material != overlay.formula else ""
    axes.set_title(
        f"{role}{pretty_formula(overlay.formula)}{name}\n"
        f"RMSE(ω²) = {overlay.rmse_w2:.3g}, MAE {overlay.mae_w2:.3g} THz²",
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
                [], [], color=colour, linewidth=1.2, linestyle=_DASHED, label=plain(overlays[0].potential)
            ),
            Patch(color=NOISE_COLOUR, linewidth=0, label=_noise_label(overlays)),
        ]
        legend_below(figure, handles)
        return figure


def _noise_label(overlays: list[BandOverlay]) -> str:
    """What the band is, and how wide where there is one."""
    name = "noise" if all(one.measured for one in overlays) else "noise, at least"
    return f"{name} (±{overlays[0].floor:.2g} THz)" if len(overlays) == 1 else name
