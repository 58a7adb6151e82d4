"""The page of results on phonons shows what the CSV files beside it hold."""

from __future__ import annotations

import importlib.util
import io
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "results" / "phonons"


def test_the_tables_of_the_page_are_those_of_its_files() -> None:
    path = ROOT / "benchmarks" / "evidence_phonons.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = script
    spec.loader.exec_module(script)
    page = FOLDER.with_suffix(".md").read_text(encoding="utf-8")
    assert all(f"<!-- table {name} -->" in page for name in script.TABLES)
    assert script.fill(page, FOLDER) == page
    assert script.fill(page.replace("| nequix-mp-1 | MPtrj |", "| nequix-mp-2 | MPtrj |"), FOLDER) == page


def test_numbers_of_third_parties_are_cited_and_are_figures_only() -> None:
    files = sorted(FOLDER.glob("*.csv"))
    assert files
    for file in files:
        assert "CC BY 4.0" in file.read_text(encoding="utf-8").partition("\n")[0]
        assert file.stat().st_size < 50_000


def test_medians_of_the_page_are_those_of_the_packaged_leaderboard() -> None:
    text = (files("softmode") / "data" / "leaderboard" / "phonondb.csv").read_text(encoding="utf-8")
    packaged = pd.read_csv(io.StringIO(text))
    medians = packaged.groupby("potential")[["rmse_w2_THz2", "rmse_slope_THz2A", "softening"]].median()
    table = pd.read_csv(FOLDER / "potentials.csv", comment="#").query("subset == 143")
    table = table.set_index("potential")[["w2", "slope", "scale"]]
    both = medians.rename(index=lambda name: name.removesuffix("-v2025.1-PES")).join(table, how="inner")
    assert len(both) == len(medians)
    np.testing.assert_allclose(both[table.columns], both[medians.columns], rtol=1e-3)
