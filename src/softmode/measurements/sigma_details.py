"""σ on the reference's frames on the page of a material: σ(t), means, forces, parts of the error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from softmode.charts import IntervalRow, Intervals, Lines, Points, PointSeries
from softmode.measurements.detail_charts import (
    CLASS_GUIDES,
    CLASS_GUIDES_X,
    line,
    named,
    numbers,
    run_guides,
    sigma_by,
    sigma_row,
)
from softmode.measurements.results import MaterialResults
from softmode.measurements.sampled import WAYS
from softmode.measurements.sigma_panels import APPROACHES
from softmode.panel import Panel, Table, number
from softmode.records import RecordFile

_REFERENCE = "reference"
#: Parts of the forces whose parity is drawn, and what else is tabled.
_DRAWN = {"force": "forces", "anharmonic_force": "anharmonic part"}
#: Parts of the forces that are compared, as they are called.
FORCE_PARTS = {"force": "forces", "harmonic_force": "harmonic part", "anharmonic_force": "anharmonic part"}
#: Parts of the error of σ, as they are called.
_ERRORS = {"sigma_force_error": "made by forces", "sigma_hessian_error": "made by force constants"}
#: Fewer points than this a series: parity and modes are left out.
_FEW = 200


def sigma_details(results: MaterialResults) -> Iterator[Panel]:
    """What σ of a material is, on the reference's frames, and what its error comes from."""
    records = results.results("sigma")
    if not records:
        return
    yield Panel(
        "sigma_of_material",
        "Anharmonicity on the reference's frames",
        "σ(t) of the reference and of each potential on the same configurations; ⟨σ(t)⟩ with its 95 % "
        "interval where the frames carry one. The class is that of ⟨σ(t)⟩.",
        tables=(
            sigma_by("σ by element and site", "sigma_by", results, [
                (_REFERENCE, next(iter(records.values())).values, "reference"),
                *((label, record.values, "phi_model") for label, record in records.items()),
            ]),
        ),
        charts=(_traces(results, records), _means(results, records), *_course(results, records)),
    )  # fmt: skip
    yield Panel(
        "forces_of_material",
        "Forces, and what the error of σ comes from",
        "Force components of potential and reference on the same frames: each point stands for a square of "
        "their histogram, drawn in proportion to the pairs in it. The error of ⟨σ(t)⟩ is split exactly "
        "into what wrong forces and what wrong force constants make of it.",
        tables=(_force_table(results, records),),
        charts=(
            *(_parity(results, records) if results.points >= _FEW else ()),
            _parts(results, records),
            *(_modes(results, records) if results.points >= _FEW else ()),
        ),
    )


def _traces(results: MaterialResults, records: Mapping[str, RecordFile]) -> Lines:
    first = next(iter(records.values()))
    series = []
    for approach in APPROACHES:
        facet = WAYS[approach]
        own = first["sigma_t_reference"]
        series.append(line(_REFERENCE, np.arange(len(own)), own, results.points, facet=facet))
        for label, record in records.items():
            values = record[f"sigma_t_{approach}"]
            there = np.flatnonzero(np.isfinite(values))  # of frames left out there is none
            series.append(line(label, there, values[there], results.points, potential=label, facet=facet))
    return Lines(
        name=named("sigma_t", results),
        title="σ(t) on the reference's frames",
        note="" if len(first["sigma_t_reference"]) <= results.points else "Not every frame is drawn.",
        x_label="frame",
        y_label="σ(t)",
        series=tuple(series),
        guides=(*CLASS_GUIDES, *run_guides(first["run_lengths"].tolist())),
    )


def _means(results: MaterialResults, records: Mapping[str, RecordFile]) -> Intervals:
    reference = next(iter(records.values())).values
    rows = []
    for approach in APPROACHES:
        facet = WAYS[approach]
        rows.append(sigma_row(reference, "reference", _REFERENCE, facet=facet))
        rows += [sigma_row(record.values, approach, label, label, facet) for label, record in records.items()]
    return Intervals(
        name=named("sigma_means", results),
        title="⟨σ(t)⟩",
        axis="⟨σ(t)⟩, 95 % interval",
        rows=tuple(row for row in rows if row is not None),
        guides=CLASS_GUIDES_X,
    )


def _course(results: MaterialResults, records: Mapping[str, RecordFile]) -> Iterator[Lines]:
    """⟨σ(t)⟩ while more and more frames are evaluated, where it was looked at on the way."""
    there = {label: record for label, record in records.items() if "looks" in record}
    if not there:
        return
    series = []
    for approach in APPROACHES:
        facet = WAYS[approach]
        for label, record in there.items():
            mean, low, high = record[f"looks_{approach}"].T
            course = line(label, record["looks"], mean, results.points, potential=label, facet=facet)
            low, high = (line("", record["looks"], bound, results.points).y for bound in (low, high))
            series.append(replace(course, low=low, high=high))
    yield Lines(
        name=named("sigma_course", results),
        title="⟨σ(t)⟩ as frames were evaluated",
        note="Bands: 95 % intervals at each look.",
        x_label="frames evaluated",
        y_label="⟨σ(t)⟩",
        series=tuple(series),
        log_x=True,
        guides=CLASS_GUIDES,
    )


def _parity(results: MaterialResults, records: Mapping[str, RecordFile]) -> Iterator[Points]:
    """Filled squares of the histograms of force components, the extreme ones among them."""
    series = []
    for part, facet in _DRAWN.items():
        for label, record in records.items():
            counts, edges = record[f"parity_{part}"], record["parity_edges"]
            middle = 0.5 * (edges[1:] + edges[:-1])
            reference, model = np.nonzero(counts)
            pairs = counts[reference, model]
            kept = _drawn(pairs, np.abs(reference - model), results.points)
            series.append(
                PointSeries(
                    label,
                    numbers(middle[reference[kept]]),
                    numbers(middle[model[kept]]),
                    tuple(f"{n} pair{'s' if n > 1 else ''}" for n in pairs[kept].tolist()),
                    potential=label,
                    facet=facet,
                )
            )
    yield Points(
        name=named("parity", results),
        title="Force components, potential against reference",
        note=f"At most {results.points} squares of each histogram, drawn at random in proportion to what "
        "they hold; the furthest from the line are all there.",
        x_label="reference, eV/Å",
        y_label="potential, eV/Å",
        series=tuple(series),
        equality=True,
    )


def _drawn(pairs: np.ndarray, apart: np.ndarray, most: int) -> np.ndarray:
    """Places of the squares that are drawn: a tenth the furthest from the line, the rest at random."""
    if len(pairs) <= most:
        return np.arange(len(pairs))
    furthest = np.argsort(-apart, kind="stable")[: most // 10]
    rest = np.setdiff1d(np.arange(len(pairs)), furthest)
    weight = pairs[rest] / pairs[rest].sum()
    chosen = np.random.default_rng(0).choice(rest, most - len(furthest), replace=False, p=weight)
    return np.sort(np.concatenate([furthest, chosen]))


def _parts(results: MaterialResults, records: Mapping[str, RecordFile]) -> Intervals:
    return Intervals(
        name=named("sigma_parts", results),
        title="What the error of ⟨σ(t)⟩ comes from",
        note="The two parts add up to the error with the potential's forces and force constants.",
        axis="part of ⟨σ(t)⟩, potential − reference",
        rows=tuple(
            IntervalRow(label, record.values[part], potential=label, facet=facet)
            for part, facet in _ERRORS.items()
            for label, record in records.items()
        ),
    )


def _force_table(results: MaterialResults, records: Mapping[str, RecordFile]) -> Table:
    columns = [f"{kind}({name}), meV/Å" for name in FORCE_PARTS.values() for kind in ("MAE", "RMSE")]
    return Table(
        named("force_errors", results),
        "Errors of forces on the reference's frames",
        ("potential", *columns),
        tuple(
            (
                label,
                *(
                    number(1000.0 * record.values[f"{part}_{kind}_eV_per_A"])
                    for part in FORCE_PARTS
                    for kind in ("mae", "rmse")
                ),
            )
            for label, record in records.items()
        ),
    )


def _modes(results: MaterialResults, records: Mapping[str, RecordFile]) -> Iterator[Points]:
    """σ by phonon mode of the supercell, on each side's own modes."""
    first = next(iter(records.values()))
    sides: list[tuple[str, str | None, RecordFile, str]] = [(_REFERENCE, None, first, "reference")]
    sides += [(label, label, record, "model") for label, record in records.items()]
    series = []
    for name, potential, record, side in sides:
        frequencies, values = record[f"mode_frequencies_{side}"], record[f"mode_sigma_{side}"]
        known = np.isfinite(values)
        places = zip(
            record[f"mode_qpoints_{side}"][known].tolist(),
            record[f"mode_multiplicities_{side}"][known].tolist(),
            strict=True,
        )
        texts = (
            f"q = ({', '.join(f'{x:.3g}' for x in q)}), {n} mode{'s' if n > 1 else ''}" for q, n in places
        )
        series.append(
            PointSeries(
                name, numbers(frequencies[known]), numbers(values[known]), tuple(texts), potential=potential
            )
        )
    yield Points(
        name=named("sigma_modes", results),
        title="σ by phonon mode",
        note="Modes of the supercell; imaginary ones below zero.",
        x_label="frequency, THz",
        y_label="σ of the mode",
        series=tuple(series),
        guides=CLASS_GUIDES,
    )
