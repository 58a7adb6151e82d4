"""What a page shows of σ on the reference's frames: against the reference's, and its errors."""

from __future__ import annotations

from collections.abc import Iterator

from softmode.anharmonic.classes import EDGES
from softmode.charts import CellDistribution, CellPoints, Chart, Guide, IntervalRow, Intervals
from softmode.measurements.one_material import by_potential
from softmode.measurements.results import Results
from softmode.measurements.sampled import WAYS
from softmode.panel import Panel

#: Most materials whose parts of the error are shown one by one.
_FEW = 8
_PARTS = {"sigma_force_error": "forces", "sigma_hessian_error": "force constants"}
APPROACHES = ("phi_ref", "phi_model")


def class_guides() -> tuple[Guide, ...]:
    """Lines where one class ends and the next begins, on both axes."""
    names = ("weak | strong", "strong | unstable")
    return tuple(Guide(axis, edge, name) for axis in "xy" for edge, name in zip(EDGES, names, strict=True))


def panels(results: Results) -> Iterator[Panel]:
    """⟨σ(t)⟩ of each potential against the reference's, and forces against force constants."""
    chapter = results.measurement.chapter
    yield Panel(
        "sigma",
        "σ of the potentials against the reference",
        "σ(t) is the share of anharmonic in total forces (root mean square) of a frame; the score is its "
        "mean over the reference's frames. Weak < 0.5 ≤ strong ≤ 1 < unstable. Φ: force constants. "
        "Φ of the reference: its force constants with the forces of the potential; Φ of the potential: both "
        "of the potential.",
        charts=tuple(
            by_potential(
                results.rows,
                CellPoints(
                    name=f"sigma_{approach}",
                    title=f"⟨σ(t)⟩, {WAYS[approach]}",
                    x="sigma_reference_mean_t",
                    y=f"sigma_{approach}_mean_t",
                    equality=True,
                    guides=class_guides(),
                ),
                "⟨σ(t)⟩",
            )
            for approach in reversed(APPROACHES)
        ),
        chapter=chapter,
    )
    yield Panel(
        "sigma_errors",
        "Errors of σ, and what makes them",
        "⟨σ(t)⟩ of the potential less that of the reference on the same frames. It is the sum of two "
        "parts, exactly: other forces, and other force constants, each averaged over both orders of "
        "exchange.",
        charts=tuple(_errors(results)),
        chapter=chapter,
    )


def _errors(results: Results) -> Iterator[Chart]:
    zero = (Guide("y", 0.0),)
    for approach in reversed(APPROACHES):
        title = f"⟨σ(t)⟩ less the reference's, {WAYS[approach]}"
        yield CellDistribution(
            name=f"sigma_{approach}_difference",
            title=title,
            value=f"sigma_{approach}_difference",
            guides=zero,
        )
    if "path_rmse_w2_THz2" in results.rows:
        yield CellPoints(
            name="sigma_phonon_errors", title="Errors of σ and of phonons", x="path_rmse_w2_THz2",
            y="sigma_phi_model_difference_size", log_x=True, log_y=True,
        )  # fmt: skip
    rows = results.rows.dropna(subset=list(_PARTS))
    if rows["material"].nunique() > _FEW:
        for column, part in _PARTS.items():
            yield CellDistribution(name=column, title=f"Part of the {part}", value=column, guides=zero)
        return
    lines = [
        IntervalRow(
            row.potential,
            float(getattr(row, column)),
            potential=row.potential,
            facet=f"{row.formula}: {part}",
        )
        for row in rows.itertuples()
        for column, part in _PARTS.items()
    ]
    if lines:
        yield Intervals(
            name="sigma_parts",
            title="Parts of the error of σ",
            axis="part of ⟨σ(t)⟩ less the reference's",
            rows=tuple(sorted(lines, key=lambda line: line.facet)),
            guides=(Guide("x", 0.0),),
        )
