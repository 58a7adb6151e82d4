"""Maps in the report: section, table, figures, structures, files for chemiscope; nothing from the network."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from moving_metals import MOVING, write_moving_metal
from report_page import table_of
from tiny_study import emt, factory, run_tiny, tiny_study

from softmode.measurements.map.measurement import map_points, map_structures
from softmode.packed_matrices import unpack
from softmode.report import chemiscope_file
from softmode.report.build import build_report
from softmode.report.chemiscope_file import script_json
from softmode.report.document import plain_form
from softmode.report.map_page import foreign_chart, frames_chart, map_page, overlap_table
from softmode.report.method import method_lines
from softmode.study.folder import Study, reopen_study
from softmode.study.results import cell_table

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SMALL = {"r_cut": 4.0, "n_max": 4, "l_max": 3, "sigma": 0.4}
MD = {"steps": 160, "sample_every": 2, "discard": 40}


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    """Two metals and two potentials; data are gone when the report is made."""
    root = tmp_path_factory.mktemp("maps_reported")
    for symbol in ("Al", "Cu"):
        write_moving_metal(root / "data" / symbol, symbol, n_frames=30, amplitude=0.06)
    settings = tiny_study(
        root / "data",
        root / "o",
        emt(),
        factory("scaled_emt", "stiff <b>", factor=1.5),
        options=MOVING,
        measurements=["map"],
        md=MD,
        map={"soap": SMALL, "model_every": 2},
    )
    _, done = run_tiny(settings)
    assert (done.computed, done.failed) == (4, 0)
    shutil.rmtree(root / "data")
    study = reopen_study(root / "o")
    return study, build_report(study)


def test_the_table_shows_every_cell(reported: tuple[Study, Path], page: dict[str, Any]) -> None:
    table = cell_table(reported[0]).set_index(["material", "potential"])
    rows = {(row["id"], row["potential"]): row for row in table_of(page, "maps_shown")}
    assert set(rows) == set(table.index)
    for key, row in rows.items():
        cell = table.loc[key]
        n_reference, n_model = json.loads(cell["map_n_frames"])
        assert row["frames"] == f"{n_reference} + {n_model}"
        shown = row["MMD², relative"]
        assert float(shown.removesuffix(" ?")) == pytest.approx(cell["map_mmd2_relative"], rel=6e-3)
        assert shown.endswith(" ?") == (not cell["map_reliable"])
        assert row["foreign"] == f"{100 * cell['map_foreign_share']:.0f} %"
        assert float(row["ρ with σ(t)"].split(" ")[0]) == pytest.approx(cell["map_spearman"], abs=0.006)
        assert float(row["error in σ"]) == pytest.approx(cell["map_sigma_error"], rel=0.06)


def test_table_for_spreadsheets(reported: tuple[Study, Path]) -> None:
    found = pd.read_csv(reported[1].parent / "tables" / "maps.csv")
    assert len(found) == 4
    table = cell_table(reported[0])
    for name in ("mmd2", "foreign_share", "spearman", "sigma_error", "kernel_spread"):
        np.testing.assert_allclose(found[name], table[f"map_{name}"].astype(float))
    assert (found["n_reference"] == 30).all()


def test_files_for_chemiscope(reported: tuple[Study, Path], tmp_path: Path) -> None:
    table = cell_table(reported[0]).set_index(["material", "potential"])
    folder = build_report(reported[0], panels=[], folder=tmp_path, figures=True).parent / "chemiscope"
    assert len(list(folder.glob("*.json.gz"))) == len(list(folder.glob("*.html"))) == 4
    text = gzip.decompress((folder / "Cu_emt.json.gz").read_bytes())
    content = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert len(content["structures"]) == sum(json.loads(table.loc[("Cu", "emt"), "map_n_frames"]))
    assert content["structures"][0]["size"] == 8
    assert {"component 1", "component 2", "sigma(t)", "foreignness", "trajectory"} <= set(
        content["properties"]
    )
    assert set(content["properties"]["trajectory"]["values"]) == {"reference", "emt"}
    viewer = (folder / "Cu_emt.html").read_text(encoding="utf-8")
    assert 'src="chemiscope.min.js"' in viewer
    assert (folder / "chemiscope.min.js").stat().st_size > 1_000_000
    if CHROMIUM is not None:  # its viewer opens without network
        assert 'data-loaded="yes"' in browsed(folder / "Al_emt.html", tmp_path / "profile")


def test_without_chemiscope_there_are_no_files_of_it(
    reported: tuple[Study, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chemiscope_file, "has_chemiscope", lambda: False)
    page = build_report(reported[0], panels=[], folder=tmp_path, figures=True)
    assert not (page.parent / "chemiscope").exists()


def test_how_maps_were_made_is_said(reported: tuple[Study, Path], page: dict[str, Any]) -> None:
    [line] = [line for line in method_lines(reported[0].settings) if line.startswith("maps:")]
    for text in ("every frame of the reference", "one frame in 2 of the potential's", "radius 4 Å", "α = 1"):
        assert text in line
    assert line in page["method"]


def test_nothing_in_data_ends_the_script() -> None:
    name = "</script><script>alert(1)"
    text = script_json({"name": name})
    assert "</" not in text
    assert json.loads(text) == {"name": name}


def browsed(page: Path, profile: Path) -> str:
    """The page as a browser without network leaves it after some seconds."""
    assert CHROMIUM is not None
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader"]
    command += [
        "--enable-unsafe-swiftshader",
        f"--user-data-dir={profile}",
        "--host-resolver-rules=MAP * ~NOTFOUND",
    ]
    result = subprocess.run(
        [*command, "--virtual-time-budget=8000", "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return result.stdout


def test_the_page_of_a_map_has_every_frame_with_its_structure(reported: tuple[Study, Path]) -> None:
    record = reported[0].result("Cu", "emt", "map")
    assert record is not None
    points = map_points(record, "emt")
    chart = frames_chart(points, map_structures(record), "map", "Cu")
    assert chart.potentials == (None, "emt")
    np.testing.assert_array_equal(np.column_stack([chart.x, chart.y]), points.coordinates)
    shown = [unpack(one.coordinates).reshape(-1, 8, 3) @ np.array(one.lattice) for one in chart.structures]
    assert [len(one) for one in shown] == record.values["map_n_frames"]
    assert {one.symbols for one in chart.structures} == {("Cu",) * 8}
    lattice = record.arrays["map_lattice"].astype(float)
    difference = (np.concatenate(shown) - record.arrays["map_positions"]) @ np.linalg.inv(lattice)
    assert np.abs(difference - np.rint(difference)).max() < 1e-4
    page, panel = map_page("Cu", [chart], overlap_table([]), ["Said."])
    assert [potential.name for potential in page.potentials] == ["emt"]
    assert (panel.caption, panel.tables) == ("Said.", ())
    [drawn] = plain_form(page)["panels"][0]["charts"]
    assert drawn["kind"] == "frames"


def test_foreign_frames_are_set_against_sigma(reported: tuple[Study, Path]) -> None:
    record = reported[0].result("Al", "emt", "map")
    assert record is not None
    points = map_points(record, "emt")
    chart = foreign_chart(points, 1.5, "foreign")
    assert [series.potential for series in chart.series] == [None, "emt"]
    assert sum(len(series.x) for series in chart.series) == np.isfinite(points.sigma_t).sum()
    assert chart.guides[0].value == 1.5
