"""Passports on the page of a material: verdicts, and how far each choice moves the figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from softmode.charts import Guide, IntervalRow, Intervals
from softmode.measurements.detail_charts import named
from softmode.measurements.noise_floor import NOISE_FLOOR
from softmode.measurements.passport.ways import FACTORS
from softmode.measurements.results import MaterialResults
from softmode.panel import NOTHING, Panel, Table, number

#: Figures whose moves are drawn, as they are called.
_DRAWN = {
    "lowest_model_THz": "lowest mode, THz",
    "path_rmse_w2_THz2": "RMSE(ω²), THz²",
    "sigma_phi_model_mean_t": "⟨σ(t)⟩",
}


def passport_details(results: MaterialResults) -> Iterator[Panel]:
    """How sure the figures of a material are, potential by potential."""
    found = results.results("passport")
    if not found:
        return
    records = {label: record.values for label, record in found.items()}
    limit = -float(next(iter(found.values())).inputs["protocol.imaginary_tolerance"])
    yield Panel(
        "passport_of_material",
        "Passport: how sure figures and verdict are",
        "The same phonons, made in many ways that should not matter. Bars: from the lowest to the highest "
        "value when one choice is varied alone, and over all ways; the point: under the protocol.",
        tables=(_verdicts(results, records), _ways(results, records)),
        charts=tuple(_moves(results, records, limit)),
    )


def _verdicts(results: MaterialResults, records: Mapping[str, Mapping[str, Any]]) -> Table:
    rows = tuple(
        (
            label,
            str(own["passport_verdict"]),
            str(own["passport_ways"]),
            number(own["passport_margin_THz"]),
            number(own[NOISE_FLOOR]),
            str(own.get("passport_class_verdict") or NOTHING),
        )
        for label, own in records.items()
    )
    heads = ("potential", "verdict", "ways", "margin, THz", "noise floor, THz", "class")
    return Table(named("passport_verdicts", results), "Verdicts", heads, rows)


def _moves(
    results: MaterialResults, records: Mapping[str, Mapping[str, Any]], limit: float
) -> Iterator[Intervals]:
    """Ranges of each figure; `limit`: below it a lowest mode counts as imaginary, THz."""
    for figure, title in _DRAWN.items():
        rows = tuple(
            row
            for label, own in records.items()
            if figure in own["moves"]
            for row in _rows(label, own["moves"][figure])
        )
        if rows:
            lowest = figure == "lowest_model_THz"
            yield Intervals(
                name=f"{named('passport', results)}_{figure}",
                title=f"What moves it: {title}",
                axis=title,
                rows=rows,
                guides=(Guide("x", limit, "unstable | stable"),) if lowest else (),
            )


def _rows(label: str, move: Mapping[str, Any]) -> Iterator[IntervalRow]:
    yield IntervalRow("all ways", move["protocol"], move["lowest"], move["highest"], label, facet=label)
    for factor, (low, high) in move["by"].items():
        yield IntervalRow(FACTORS[factor], move["protocol"], low, high, label, facet=label)


def _ways(results: MaterialResults, records: Mapping[str, Mapping[str, Any]]) -> Table:
    """What each factor is varied over, and how far the lowest mode moves with it."""
    rows = []
    for factor, name in FACTORS.items():
        choices = [choice for own in records.values() for choice in own["choices"].get(factor, ())]
        spans = []
        for own in records.values():
            low, high = own["moves"].get("lowest_model_THz", {}).get("by", {}).get(factor, (None, None))
            spans.append(NOTHING if low is None else number(high - low, 2))
        if choices:
            rows.append((name, ", ".join(dict.fromkeys(map(str, choices))), *spans))
    heads = ("choice", "varied over", *(f"{label}: lowest mode moves, THz" for label in records))
    return Table(named("passport_ways", results), "Ways", heads, tuple(rows))
