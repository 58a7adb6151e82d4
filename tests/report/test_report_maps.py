"""Maps in the report: section, table, figures, structures, files for chemiscope; nothing from the network."""

from __future__ import annotations

import base64
import gzip
import html
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from moving_metals import MOVING, write_moving_metal
from tiny_study import emt, factory, run_tiny, tiny_study

from softmode.files import file_name
from softmode.measurements.map.measurement import map_points, map_structures
from softmode.report import maps
from softmode.report.build import build_report
from softmode.report.map_page import map_page, script_json
from softmode.report.maps import collect_maps
from softmode.report.method import method_lines
from softmode.study.folder import Study, reopen_study
from softmode.study.results import cell_table

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SMALL = {"r_cut": 4.0, "n_max": 4, "l_max": 3, "sigma": 0.4}
MD = {"steps": 160, "sample_every": 2, "discard": 40}


@dataclass(frozen=True)
class Reported:
    study: Study
    report: Path
    page: str

    @property
    def section(self) -> str:
        [found] = re.findall(r'<h2 id="maps">.*?(?=<h2 )', self.page, re.DOTALL)
        return found


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Reported:
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
    page = build_report(study)
    return Reported(study, page.parent, page.read_text(encoding="utf-8"))


def rows_of(text: str) -> list[list[str]]:
    body = text.partition("<tbody>")[2].partition("</tbody>")[0]
    return [
        [html.unescape(re.sub(r"<[^>]+>", "", cell)) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row)]
        for row in re.findall(r"<tr[^>]*>(.*?)</tr>", body, re.DOTALL)
    ]


def test_the_table_shows_every_cell(reported: Reported) -> None:
    table = cell_table(reported.study).set_index(["material", "potential"])
    rows = {(row[1], row[2]): row for row in rows_of(reported.section)}
    assert set(rows) == set(table.index)
    for key, row in rows.items():
        cell = table.loc[key]
        n_reference, n_model = json.loads(cell["map_n_frames"])
        assert row[3] == f"{n_reference} + {n_model}"
        assert float(row[4].removesuffix(" ?")) == pytest.approx(cell["map_mmd2_relative"], rel=6e-3)
        assert row[4].endswith(" ?") == (not cell["map_reliable"])
        assert row[8] == f"{100 * cell['map_foreign_share']:.0f} %"
        assert float(row[9].split(" ")[0]) == pytest.approx(cell["map_spearman"], abs=0.006)
        assert float(row[11]) == pytest.approx(cell["map_sigma_error"], rel=0.06)
    assert 'href="#maps"' in reported.page


def test_table_for_spreadsheets(reported: Reported) -> None:
    found = pd.read_csv(reported.report / "tables" / "maps.csv")
    assert len(found) == 4
    table = cell_table(reported.study)
    for name in ("mmd2", "foreign_share", "spearman", "sigma_error", "kernel_spread"):
        np.testing.assert_allclose(found[name], table[f"map_{name}"].astype(float))
    assert (found["n_reference"] == 30).all()


def test_figures_are_drawn(reported: Reported) -> None:
    names = {f"map_{file_name(symbol, label)}" for symbol in ("Al", "Cu") for label in ("emt", "stiff <b>")}
    assert {path.stem for path in (reported.report / "figures").glob("map_*.png")} == names
    assert {path.stem for path in (reported.report / "figures").glob("map_*.pdf")} == names
    for name in names:
        picture = imread(reported.report / "figures" / f"{name}.png")[..., :3]
        assert min(picture.shape[:2]) > 250
        numbers = (255 * picture[::2, ::2]).astype(int) @ [1, 256, 65536]
        assert len(np.unique(numbers)) > 100  # also a colour bar


def test_the_page_needs_no_network(reported: Reported) -> None:
    without_library = re.sub(r"<script>/\*\*.*?</script>", "", reported.page, flags=re.DOTALL)
    assert 'src="http' not in without_library
    assert "stiff <b>" not in re.sub(r"<script.*?</script>", "", reported.section, flags=re.DOTALL)
    assert reported.section.count('softmodeStructures("map-') == 4
    assert len(re.findall(r'id="structure-\d"', reported.section)) == 4


def payloads(section: str) -> list[dict[str, Any]]:
    found = re.findall(r'softmodeStructures\("map-\d", "structure-\d", (\{.*?\})\);</script>', section)
    return [json.loads(text) for text in found]


def test_structures_in_the_page_are_those_of_the_frames(reported: Reported) -> None:
    cells = {(cell.material.name, cell.label): cell for cell in reported.study.cases}
    shown = collect_maps(reported.study, cell_table(reported.study))
    assert shown is not None
    for payload, key in zip(payloads(reported.section), shown.records, strict=True):
        record = reported.study.records(cells[key], with_arrays=True)["map"]
        clouds = payload["clouds"]
        assert [cloud["n_frames"] for cloud in clouds] == record.values["map_n_frames"]
        positions = record.arrays["map_positions"].astype(float)
        start = 0
        for cloud in clouds:
            assert cloud["symbols"] == [key[0]] * 8
            packed = np.frombuffer(base64.b64decode(cloud["coordinates"]), "<u2")
            fractional = packed.reshape(cloud["n_frames"], 8, 3) / 65536.0 - payload["margin"]
            lattice = np.array(cloud["lattice"])
            expected = positions[start : start + cloud["n_frames"]] @ np.linalg.inv(lattice)
            start += cloud["n_frames"]
            difference = fractional - expected
            assert np.abs(difference - np.rint(difference)).max() < 1e-4


def test_files_for_chemiscope(reported: Reported) -> None:
    table = cell_table(reported.study).set_index(["material", "potential"])
    links = re.findall(r'href="(chemiscope/[^"]+)"', reported.section)
    assert len(links) == 8
    for link in links:
        assert (reported.report / link).exists(), link
    text = gzip.decompress((reported.report / "chemiscope" / "Cu_emt.json.gz").read_bytes())
    content = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert len(content["structures"]) == sum(json.loads(table.loc[("Cu", "emt"), "map_n_frames"]))
    assert content["structures"][0]["size"] == 8
    assert {"component 1", "component 2", "sigma(t)", "foreignness", "trajectory"} <= set(
        content["properties"]
    )
    assert set(content["properties"]["trajectory"]["values"]) == {"reference", "emt"}
    viewer = (reported.report / "chemiscope" / "Cu_emt.html").read_text(encoding="utf-8")
    assert 'src="chemiscope.min.js"' in viewer
    assert (reported.report / "chemiscope" / "chemiscope.min.js").stat().st_size > 1_000_000


def test_without_chemiscope_the_rest_is_there(reported: Reported, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maps, "has_chemiscope", lambda: False)
    copied = reported.study.folder.parent / "copy"
    shutil.copytree(reported.study.folder, copied, ignore=shutil.ignore_patterns("report"))
    page = build_report(reopen_study(copied))
    text = page.read_text(encoding="utf-8")
    assert not (page.parent / "chemiscope").exists()
    assert "pip install 'softmode[maps]'" in html.unescape(text)
    assert 'href="chemiscope/' not in text
    assert text.count('softmodeStructures("map-') == 4


def test_how_maps_were_made_is_said(reported: Reported) -> None:
    [line] = [line for line in method_lines(reported.study.settings) if line.startswith("maps:")]
    for text in ("every frame of the reference", "one frame in 2 of the potential's", "radius 4 Å", "α = 1"):
        assert text in line
    assert line in html.unescape(reported.page)


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


#: Points the mouse at the rightmost frame of the second cloud.
_POINT = """<script>
setTimeout(() => {
  const map = document.getElementById("map"), cloth = map.querySelector(".nsewdrag"), axes = map._fullLayout;
  const place = cloth.getBoundingClientRect();
  const point = map.calcdata[1].reduce((first, second) => second.x > first.x ? second : first);
  const at = { clientX: place.left + axes.xaxis.d2p(point.x), clientY: place.top + axes.yaxis.d2p(point.y) };
  cloth.dispatchEvent(new MouseEvent("mousemove", { bubbles: true, ...at }));
  setTimeout(() => {
    const view = document.getElementById("structure");
    const atoms = view.data[2];
    document.body.dataset.shown = [view.dataset.frame, atoms.x[0], atoms.y[0], atoms.z[0]];
  }, 700);
}, 800);
</script></body>"""


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_pointing_at_a_frame_shows_its_structure(reported: Reported, tmp_path: Path) -> None:
    [cell] = [c for c in reported.study.cases if (c.material.name, c.label) == ("Cu", "emt")]
    record = reported.study.records(cell, with_arrays=True)["map"]
    text = map_page("Cu", map_points(record, "emt"), map_structures(record))
    page = tmp_path / "map.html"
    page.write_text(text.replace("</body>", _POINT), encoding="utf-8")
    [shown] = re.findall(r'data-shown="([^"]*)"', browsed(page, tmp_path / "profile"))
    frame, *place = (float(part) for part in shown.split(","))
    lattice = record.arrays["map_lattice"].astype(float)
    points = map_points(record, "emt")
    second = np.flatnonzero(points.cloud == 1)
    assert int(frame) == second[points.coordinates[second, 0].argmax()]
    real = record.arrays["map_positions"][int(frame), 0].astype(float)
    difference = (np.array(place) - real) @ np.linalg.inv(lattice)
    assert np.abs(difference - np.rint(difference)).max() < 1e-4


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_chemiscopes_viewer_opens_without_network(reported: Reported, tmp_path: Path) -> None:
    seen = browsed(reported.report / "chemiscope" / "Al_emt.html", tmp_path / "profile")
    assert 'data-loaded="yes"' in seen
