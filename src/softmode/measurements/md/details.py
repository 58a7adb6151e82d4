"""The potentials' own dynamics on the page of a material: σ(t), temperature, energy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from softmode.charts import Guide, Lines, LineSeries
from softmode.measurements.detail_charts import CLASS_GUIDES, line, named
from softmode.measurements.results import MaterialResults
from softmode.measurements.sampled_details import sampled_details
from softmode.panel import NOTHING, Panel, Table, number
from softmode.records import RecordFile

_FEWEST = 20  # points of a line, however many replicas there are


def md_details(results: MaterialResults) -> Iterator[Panel]:
    """σ of the potentials alone, and how their runs went."""
    yield from sampled_details("model_only")(results)
    runs = results.results("md")
    if not runs:
        return
    yield Panel(
        "dynamics_of_material",
        "Dynamics of the potentials themselves",
        "Every replica of each potential. A crystal is lost where atoms leave their sites for good, and has "
        "left its phase where it settled in another one.",
        tables=(_became(results, runs),),
        charts=(*_sigma(results), *_traces(results, runs)),
    )


def _became(results: MaterialResults, runs: Mapping[str, RecordFile]) -> Table:
    """How the runs of each potential ended."""
    rows = []
    for label, run in runs.items():
        values = run.values
        alone = results.result(label, "model_only")
        own: Mapping[str, Any] = {} if alone is None else alone.values
        rows.append(
            (
                label,
                _fate(values, own),
                number(values["md_temperature_K"]),
                str(values["md_n_frames"]),
                "; ".join([*own.get("model_only_notes", ()), *values["md_warnings"]]) or NOTHING,
            )
        )
    heads = ("potential", "crystal", "temperature, K", "frames", "to be known")
    return Table(named("dynamics", results), "What became of the crystal", heads, tuple(rows))


def _fate(run: Mapping[str, Any], own: Mapping[str, Any]) -> str:
    if run["md_collapsed"]:
        return f"lost: {run['md_reason']}" if run["md_reason"] else "lost"
    if own.get("model_only_left"):
        return f"left its phase after {own['model_only_left_at_ps']:.2g} ps for {own['model_only_left_for']}"
    return "kept"


def _sigma(results: MaterialResults) -> Iterator[Lines]:
    series = []
    for label, record in results.results("model_only").items():
        if "sigma_t_model_only" not in record:  # no frame was left
            continue
        ends = np.cumsum(record["model_only_run_lengths"])[:-1]
        for index, own in enumerate(np.split(record["sigma_t_model_only"], ends), start=1):
            name = f"{label}, run {index}"
            series.append(line(name, np.arange(len(own)), own, results.points, potential=label))
    if series:
        yield Lines(
            name=named("sigma_t_alone", results),
            title="σ(t) in the potential's own dynamics",
            note="Frames in equilibrium, before the crystal left its phase.",
            x_label="frame",
            y_label="σ(t)",
            series=tuple(series),
            guides=CLASS_GUIDES,
        )


def _traces(results: MaterialResults, runs: Mapping[str, RecordFile]) -> Iterator[Lines]:
    """Temperature, and potential energy less its mean, of every replica by time."""
    temperature: list[LineSeries] = []
    energy: list[LineSeries] = []
    replicas = sum(len(run["run_lengths"]) for run in runs.values())
    most = max(_FEWEST, 4 * results.points // max(replicas, 1))
    wanted = None
    for label, run in runs.items():
        if not len(run["steps"]):
            continue
        wanted = float(run.inputs["md.temperature"])
        time = 1e-3 * float(run.inputs["md.timestep"]) * run["steps"]
        own = run["potential_energy"]
        relative = 1000.0 * (own - own.mean()) / run["starts"].shape[1]
        ends = np.cumsum(run["run_lengths"])[:-1]
        pieces = (np.split(values, ends) for values in (time, run["temperature"], relative))
        for index, (at, kelvin, change) in enumerate(zip(*pieces, strict=True), start=1):
            if len(at):
                name = f"{label}, replica {index}"
                temperature.append(line(name, at, kelvin, most, potential=label))
                energy.append(line(name, at, change, most, potential=label))
    if wanted is None:
        return
    guides = (Guide("y", wanted, "set"),)
    yield Lines(
        name=named("temperature", results),
        title="Temperature",
        x_label="time, ps",
        y_label="temperature, K",
        series=tuple(temperature),
        guides=guides,
    )
    yield Lines(
        name=named("energy", results),
        title="Potential energy, less the mean of all replicas",
        x_label="time, ps",
        y_label="energy, meV/atom",
        series=tuple(energy),
    )
