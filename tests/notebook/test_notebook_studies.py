"""Studies and screenings through the front door, beside what the command line says of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import write
from tiny_study import EMT_NAME, emt, factory, run_tiny, study_toml, tiny_study

import softmode as sm
from softmode.errors import SettingsError
from softmode.study.results import cell_table


def test_a_study_by_its_folder_or_its_file(tiny_dataset: Path, tmp_path: Path) -> None:
    settings = tiny_study(tiny_dataset, tmp_path / "o", emt(), factory("raising_emt", "broken"))
    study_file = study_toml(tmp_path / "study.toml", settings)
    with pytest.raises(SettingsError, match="holds no study"):
        sm.open_study(study_file)
    study, _ = run_tiny(settings)
    for path in (tmp_path / "o", str(study_file)):
        opened = sm.open_study(path)
        pd.testing.assert_frame_equal(opened.table, cell_table(study))
    assert repr(opened) == "<OpenedStudy 'tiny': 3 materials × 2 potentials, 3 of 6 done, 3 failed>"
    assert set(opened.failures["potential"]) == {"broken"}
    assert "<table" in opened._repr_html_()
    [records] = opened.records("harmonic", "Cu").values()
    assert records["emt"].arrays["frequencies_model"].shape[1] == 3
    key = study.store.path(records["emt"].key).stem
    values, arrays = len(records["emt"].values), ", ".join(records["emt"].arrays)
    assert repr(records["emt"]) == f"<Record harmonic {key[:8]}: {values} values, arrays {arrays}>"
    row = opened.table.set_index(["material", "potential"]).loc["Cu", "emt"]
    assert row["path_rmse_w2_THz2"] == records["emt"].values["path_rmse_w2_THz2"]
    assert set(opened.records("harmonic")) == {"Al", "Au", "Cu"}
    assert opened.write_report() == tmp_path / "o" / "report" / "index.html"


def test_a_screening_is_ranked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("softmode.processes.process_pool", lambda *_: ThreadPoolExecutor(1))
    monkeypatch.chdir(tmp_path)
    for symbol in ("Al", "Cu"):
        write(tmp_path / f"{symbol}.cif", bulk(symbol, "fcc", cubic=True))
    model = sm.potential(EMT_NAME)
    found = sm.screen(["Al.cif", "Cu.cif"], [model], samples=6, workers=1)
    assert list(found.table["rank"]) == [1, 2]
    assert found.table["sigma_staged"].is_monotonic_increasing
    assert set(found.table["formula"]) == {"Al", "Cu"}
    assert repr(found).startswith("<Screening 'Screening with ase.calculators.emt:EMT': 2 materials × 1")
    again = sm.screen(["Al.cif", "Cu.cif"], EMT_NAME, samples=6, workers=1)
    assert again.study.folder == found.study.folder  # the same question, however the potential is given
    assert found.study.folder.parent == Path("runs")


def test_bad_questions_are_explained(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be sent to other processes"):
        sm.screen("Cs2AgBiBr6", sm.potential(EMT()), output=tmp_path)
    with pytest.raises(SettingsError, match="'both ways' is none"):
        sm.screen("Cs2AgBiBr6", EMT_NAME, sampling="both ways", output=tmp_path)
    with pytest.raises(SettingsError, match="there is no such file"):
        sm.screen("missing.cif", EMT_NAME, output=tmp_path)
    with pytest.raises(TypeError, match="sample"):
        sm.screen("Cs2AgBiBr6", EMT_NAME, sample=3)
