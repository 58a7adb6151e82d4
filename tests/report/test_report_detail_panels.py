"""Panels of one material: their numbers are those of the records they were made from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paper_study import PaperRun

from softmode.charts import Frames, Lines
from softmode.measurements.detail_charts import gaps, thinned
from softmode.measurements.map.details import map_details
from softmode.measurements.md.details import md_details
from softmode.measurements.results import MaterialResults
from softmode.packed_matrices import unpack
from softmode.records import Record, RecordFile, RecordStore, digest_of, open_record
from softmode.report.detail_parts import decoded, parts_of
from softmode.study.folder import Study, reopen_study

Detail = dict[str, Any]


@pytest.fixture(scope="module")
def study(paper_standin: PaperRun) -> Study:
    return reopen_study(paper_standin.study.folder)


@pytest.fixture(scope="module")
def detail(study: Study) -> Detail:
    """Of the first material."""
    return dict(decoded(parts_of(study).encoded[0])[0])


def panel(detail: Detail, key: str) -> Any:
    return next(one for one in detail["panels"] if one["key"] == key)


def chart(detail: Detail, key: str, name: str) -> Any:
    return next(one for one in panel(detail, key)["charts"] if one["name"].startswith(name))


def record(study: Study, detail: Detail, potential: str, measurement: str) -> Record:
    found = study.result(detail["material"], potential, measurement)
    assert found is not None
    return found


def test_no_panel_fails(study: Study) -> None:
    for part in parts_of(study).encoded:
        for one in decoded(part):
            said = [text for each in one["panels"] for text in each["missing"]]
            assert not any("cannot be shown" in text for text in said)
            names = [item["name"] for each in one["panels"] for item in (*each["charts"], *each["tables"])]
            assert len(names) == len(set(names))


def test_sigma_by_frame(study: Study, detail: Detail) -> None:
    lines = chart(detail, "sigma_of_material", "sigma_t_")
    assert lines["kind"] == "lines"
    for series in lines["series"]:
        if series["potential"] is None:
            continue
        approach = {"Φ of the reference": "phi_ref", "Φ of the potential": "phi_model"}[series["facet"]]
        own = record(study, detail, series["potential"], "sigma").arrays
        frames = np.array(series["x"], dtype=int)
        assert np.allclose(series["y"], own[f"sigma_t_{approach}"][frames], atol=1e-4)
        assert len(frames) == min(len(own[f"sigma_t_{approach}"]), len(frames))


def test_parity_is_drawn_from_the_histogram(study: Study, detail: Detail) -> None:
    points = chart(detail, "forces_of_material", "parity_")
    for series in points["series"]:
        own = record(study, detail, series["potential"], "sigma").arrays
        part = {"forces": "force", "anharmonic part": "anharmonic_force"}[series["facet"]]
        counts, edges = own[f"parity_{part}"], own["parity_edges"]
        assert len(series["x"]) <= 300
        for x, y, text in zip(series["x"], series["y"], series["texts"], strict=True):
            square = tuple(int(np.searchsorted(edges, value)) - 1 for value in (x, y))
            assert int(text.split()[0]) == counts[square] > 0
        filled = np.argwhere(counts > 0)
        apart = np.abs(np.diff(0.5 * (edges[1:] + edges[:-1])[filled], axis=1)).max()
        assert np.abs(np.subtract(series["x"], series["y"])).max() == pytest.approx(apart, abs=2e-4)


def test_parts_of_the_error_add_up(study: Study, detail: Detail) -> None:
    rows = chart(detail, "forces_of_material", "sigma_parts_")["rows"]
    for potential in {row["potential"] for row in rows}:
        values = record(study, detail, potential, "sigma").values
        parts = sum(row["value"] for row in rows if row["potential"] == potential)
        error = values["sigma_phi_model_mean_t"] - values["sigma_reference_mean_t"]
        assert parts == pytest.approx(error, abs=1e-6)


def stored(folder: Path, values: dict[str, Any], arrays: dict[str, Any], **inputs: Any) -> RecordFile:
    store, key = RecordStore(folder), digest_of([str(value) for value in arrays])
    store.write(Record(key, "m", inputs, values, {name: np.asarray(array) for name, array in arrays.items()}))
    found = open_record(store.path(key))
    assert found is not None
    return found


def test_frames_of_a_map_have_their_structures(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    lattice = np.array([[5.0, 0.1, 0.0], [0.0, 6.0, 0.2], [0.3, 0.0, 7.0]])
    positions = rng.uniform(-0.1, 1.1, (700, 2, 3)) @ lattice
    cloud = np.repeat([0, 1], [500, 200])
    arrays = {
        "map_cloud": cloud,
        "map_run": np.zeros(700, int),
        "map_frame": np.concatenate([np.arange(500), np.arange(200)]),
        "map_coordinates": 1e-5 * rng.normal(size=(700, 2)),
        "map_sigma_t": np.where(np.arange(700) % 7, 0.5, np.nan),
        "map_positions": positions.astype(np.float32),
        "map_lattice": lattice,
        "map_numbers": np.array([55, 17]),
    }
    names = ("map_mmd2_relative", "map_mmd2_p", "map_foreign_share", "map_sigma_error")
    values = dict.fromkeys([*names, "map_sigma_error_without_foreign"], 0.1)
    values |= {"map_drawn": True, "map_explained": [0.6, 0.2], "map_n_frames": [500, 200], "map_notes": []}
    record = stored(tmp_path, values, arrays)
    [panel] = map_details(
        MaterialResults("m", "CsCl", ("a", "b"), lambda potential, _: record if potential == "b" else None)
    )
    [frames] = panel.charts
    assert isinstance(frames, Frames)
    assert frames.potentials == (None, "b")
    assert 400 <= len(frames.x) <= 500  # of the first cloud not every frame
    side = np.array(frames.cloud)
    for index, structures in enumerate(frames.structures):
        chosen = np.flatnonzero(side == index)
        assert structures.symbols == ("Cs", "Cl")
        found = unpack(structures.coordinates).reshape(len(chosen), -1, 3) @ np.array(structures.lattice)
        there = [
            np.flatnonzero((cloud == index) & (arrays["map_frame"] == frames.frame[place]))[0]
            for place in chosen
        ]
        assert np.abs(found - positions[there]).max() < 1e-3  # Å
        x = np.array(frames.x)[chosen]
        assert np.allclose(x, arrays["map_coordinates"][there, 0], atol=1e-4 * 1e-4)


def test_dynamics_say_what_became_of_the_crystal(tmp_path: Path) -> None:
    steps = np.tile(np.arange(5, 105, 5), 2)
    arrays = {
        "steps": steps,
        "temperature": 300.0 + steps,
        "potential_energy": -8.0 + 1e-3 * steps,
        "run_lengths": [20, 20],
        "starts": np.zeros((2, 4, 3)),
    }
    values: dict[str, Any] = {"md_collapsed": True, "md_reason": "an atom left", "md_warnings": []}
    values |= {"md_temperature_K": 350.0, "md_n_frames": 40}
    run = stored(tmp_path, values, arrays, **{"md.temperature": 300.0, "md.timestep": 2.0})
    alone: dict[str, Any] = {"model_only_notes": [], "model_only_left": False}
    sigma = {"sigma_t_model_only": [0.4, 0.5, 0.7], "model_only_run_lengths": [2, 1]}
    reads = {("a", "md"): run, ("a", "model_only"): stored(tmp_path, alone, sigma)}
    *_, panel = md_details(MaterialResults("m", "CsCl", ("a",), lambda *names: reads.get(names)))
    assert panel.tables[0].rows[0][:3] == ("a", "lost: an atom left", "350")
    by_frame, temperature, energy = panel.charts
    assert isinstance(by_frame, Lines)
    assert [one.y for one in by_frame.series] == [(0.4, 0.5), (0.7,)]  # runs are not joined
    assert isinstance(temperature, Lines)
    assert isinstance(energy, Lines)
    assert [one.name for one in temperature.series] == ["a, replica 1", "a, replica 2"]
    assert np.allclose(temperature.series[1].x, 2e-3 * steps[20:])  # ps
    assert np.allclose(temperature.series[1].y, 300.0 + steps[20:])
    slope = np.polyfit(energy.series[0].x, np.array(energy.series[0].y, float), 1)[0]
    assert slope == pytest.approx(1e3 * 1e-3 / 2e-3 / 4, rel=1e-3)  # meV/atom/ps


def test_series_are_thinned_and_have_gaps() -> None:
    assert thinned(5, 300).tolist() == [0, 1, 2, 3, 4]
    places = thinned(10_001, 300)
    assert len(places) <= 300
    assert (places[0], places[-1]) == (0, 10_000)
    assert thinned(0, 10).size == 0
    assert gaps([1.0, np.nan, 0.123456]) == (1.0, None, 0.1235)
