"""σ of the potential alone on the page of a material: on samples, in dynamics, in stages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from softmode.charts import Intervals, Lines, LineSeries
from softmode.measurements.detail_charts import (
    CLASS_GUIDES,
    CLASS_GUIDES_X,
    gaps,
    named,
    numbers,
    sigma_by,
    sigma_row,
    thinned,
)
from softmode.measurements.results import MaterialResults
from softmode.panel import NOTHING, Panel, Table, number, percent
from softmode.records import RecordFile

#: What σ is taken from, by approach.
_FROM = {
    "one_shot": "thermal samples of the harmonic crystal",
    "self_consistent": "samples of the self-consistent harmonic crystal",
    "model_only": "the potential's own dynamics",
    "staged": "modes, samples and short dynamics",
}


def sampled_details(approach: str) -> Callable[[MaterialResults], Iterator[Panel]]:
    """What makes the panel of a way to σ of the potential alone."""

    def details(results: MaterialResults) -> Iterator[Panel]:
        records = results.results(approach)
        if not records:
            return
        values = {label: record.values for label, record in records.items()}
        yield Panel(
            f"{approach}_of_material",
            f"Anharmonicity from {_FROM[approach]}",
            "⟨σ(t)⟩ of each potential on configurations of its own, with 95 % interval and class.",
            tables=(verdicts(approach, results, values), *_by(approach, results, values)),
            charts=(*_means(approach, results, values), *_course(approach, results, records)),
        )

    return details


def verdicts(approach: str, results: MaterialResults, values: Mapping[str, Mapping[str, Any]]) -> Table:
    """Class of each potential, its probability, and from how much."""
    prefix = f"sigma_{approach}"
    return Table(
        named(f"{approach}_classes", results),
        "Classes",
        ("potential", "⟨σ(t)⟩", "class", "probability", "from"),
        tuple(
            (
                label,
                number(own.get(f"{prefix}_mean_t")),
                str(own.get(f"{prefix}_class") or NOTHING),
                percent(own.get(f"{prefix}_p_{own.get(f'{prefix}_class')}")),
                _extent(approach, own),
            )
            for label, own in values.items()
        ),
    )


def _extent(approach: str, own: Mapping[str, Any]) -> str:
    said = own.get(f"{approach}_extent_note") or own.get(f"{approach}_reason") or ""
    if not said and own.get(f"{approach}_n_frames") is not None:
        said = f"{own[f'{approach}_n_frames']} frames"
    return str(said or NOTHING)


def _by(approach: str, results: MaterialResults, values: Mapping[str, Mapping[str, Any]]) -> Iterator[Table]:
    rows = [
        (label, own, approach) for label, own in values.items() if own.get(f"sigma_{approach}_per_element")
    ]
    if rows:
        yield sigma_by("σ by element and site", f"{approach}_by", results, rows)


def _means(
    approach: str, results: MaterialResults, values: Mapping[str, Mapping[str, Any]]
) -> Iterator[Intervals]:
    rows = [sigma_row(own, approach, label, label) for label, own in values.items()]
    known = tuple(row for row in rows if row is not None)
    if known:
        yield Intervals(
            name=named(f"{approach}_means", results),
            title="⟨σ(t)⟩",
            axis="⟨σ(t)⟩, 95 % interval",
            rows=known,
            guides=CLASS_GUIDES_X,
        )


def _course(approach: str, results: MaterialResults, records: Mapping[str, RecordFile]) -> Iterator[Lines]:
    """Mean and its standard error of the first so many samples, which are independent."""
    series = []
    for label, record in records.items():
        if f"sigma_t_{approach}" not in record or approach == "model_only":
            continue
        values = record[f"sigma_t_{approach}"]
        number_of = np.arange(1, len(values) + 1)
        mean = np.cumsum(values) / number_of
        spread = np.sqrt(
            np.maximum(np.cumsum(values**2) / number_of - mean**2, 0.0) / np.maximum(number_of - 1, 1)
        )
        kept = thinned(len(values), results.points)
        kept = kept[kept >= _FIRST]
        if len(kept) > 1:
            bounds = (gaps((mean - spread)[kept]), gaps((mean + spread)[kept]))
            series.append(
                LineSeries(label, numbers(number_of[kept]), gaps(mean[kept]), *bounds, potential=label)
            )
    if series:
        yield Lines(
            name=named(f"{approach}_course", results),
            title="⟨σ(t)⟩ as samples were evaluated",
            note="Bands: one standard error of the mean.",
            x_label="samples",
            y_label="⟨σ(t)⟩",
            series=tuple(series),
            guides=CLASS_GUIDES,
        )


#: From so many samples on, less one, a mean is drawn with its error.
_FIRST = 4
