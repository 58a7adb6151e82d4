"""Fig. 6 and S10–S12 of a run with maps; links of single numbers lead to records that hold them."""

from __future__ import annotations

import io
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from moving_metals import MOVING, write_moving_metal
from tiny_study import emt, factory, run_tiny, tiny_study

from softmode.panel import RecordLink
from softmode.published import published_trajectories
from softmode.report.paper import map_panels
from softmode.report.paper.map_panels import fig6, mapped, reference_frames, s10, s11, s12
from softmode.report.paper.scores import s7
from softmode.report.paper.source import PaperData, collect_paper
from softmode.study.folder import reopen_study

SMALL = {"r_cut": 4.0, "n_max": 4, "l_max": 3, "sigma": 0.4}
N_FRAMES = 30


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> PaperData:
    """Two metals and two potentials, one with the name of a model of the paper; the data are gone."""
    root = tmp_path_factory.mktemp("paper_maps")
    for symbol in ("Al", "Cu"):
        write_moving_metal(root / "data" / symbol, symbol, n_frames=N_FRAMES, amplitude=0.06)
    settings = tiny_study(
        root / "data",
        root / "o",
        factory("scaled_emt", "omat-0-medium", factor=0.8),
        emt("exact"),
        options=MOVING,
        measurements=["sigma", "model_only", "map"],
        md={"steps": 160, "sample_every": 2, "discard": 40},
        map={"soap": SMALL, "model_every": 2, "n_permutations": 100},
    )
    run_tiny(settings)
    shutil.rmtree(root / "data")
    return collect_paper(reopen_study(root / "o"))


def assert_not_blank(figure: Figure) -> None:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    buffer.seek(0)
    picture = imread(buffer)[..., :3]
    assert len(np.unique((255 * picture[::2, ::2]).astype(int) @ [1, 256, 65536])) > 20


def test_maps_of_the_main_potential_are_drawn(data: PaperData) -> None:
    assert data.main_label == "omat-0-medium"
    assert sorted(mapped(data)) == ["Al", "Cu"]  # none of Table 2 is there: those that have a map
    for make, key in ((fig6, "fig6"), (s10, "s10")):
        panel = make(data)
        [picture] = panel.pictures
        assert picture.name == key
        assert_not_blank(picture.draw())
        assert len([axes for axes in picture.draw().axes if axes.get_title(loc="right")]) == 2
        assert any("Rb3AlF6" in sentence for sentence in panel.missing)
        assert all(link.digest in set(panel.lists[0].frame["digest"]) for link in map_links(data))


def map_links(data: PaperData) -> list[RecordLink]:
    links = [data.link(material, data.main_label, "map") for material in mapped(data)]
    return [link for link in links if link is not None]


def test_overlaps_are_those_of_the_records(data: PaperData) -> None:
    [table] = fig6(data).tables
    assert len(table.entries()) == 2
    for row in table.entries():
        link = row[3].link
        assert isinstance(link, RecordLink)
        record = data.study.store.read(link.digest, with_arrays=False)
        assert float(row[3].text) == pytest.approx(record.values["map_mmd2_relative"], rel=0.01)
        assert float(row[10].text) == pytest.approx(record.values["map_sigma_error"], abs=0.0006)
        assert row[2].text == f"{N_FRAMES} + {record.values['map_n_frames'][1]}"
        assert (data.study.folder / link.file).exists()


def test_the_longer_trajectory_is_asked_for(data: PaperData) -> None:
    assert set(reference_frames(data, mapped(data)).values()) == {N_FRAMES}
    for make in (s11, s12):
        panel = make(data)
        assert not panel.pictures
        assert f"{published_trajectories().extended_ps:g} ps" in panel.missing[-1]
        assert f"{N_FRAMES} at most" in panel.missing[-1]


def test_the_longer_trajectory_is_drawn_where_it_is(data: PaperData, monkeypatch: pytest.MonkeyPatch) -> None:
    said = published_trajectories().model_copy(update={"extended_ps": 0.001 * N_FRAMES})
    monkeypatch.setattr(map_panels, "published_trajectories", lambda: said)
    for make in (s11, s12):
        panel = make(data)
        assert_not_blank(panel.pictures[0].draw())
        assert not any("at most" in sentence for sentence in panel.missing)


def test_scores_of_the_example_are_in_the_records_they_lead_to(data: PaperData) -> None:
    panel = s7(data)
    assert {picture.name for picture in panel.pictures} == {"s7_scores", "s7_trace"}
    for picture in panel.pictures:
        assert_not_blank(picture.draw())
    [table] = panel.tables
    for row in table.entries():
        for entry, name in zip(row[2:], ("reference", "phi_ref", "phi_model"), strict=True):
            assert isinstance(entry.link, RecordLink)
            values = data.study.store.read(entry.link.digest, with_arrays=False).values
            assert float(entry.text.split()[0]) == pytest.approx(values[f"sigma_{name}_mean_t"], rel=0.006)


def test_a_run_without_maps_says_so(data: PaperData, tmp_path: Path) -> None:
    cells = data.cells.drop(columns=[name for name in data.cells if str(name).startswith("map_")])
    panel = fig6(replace(data, cells=cells))
    assert not panel.pictures
    assert not panel.tables
    assert any("does not measure `map`" in sentence for sentence in panel.missing)
