"""The study files that come with the package."""

from __future__ import annotations

from pathlib import Path

import pytest

from softmode.anharmonic.classes import classify
from softmode.datasets import open_dataset
from softmode.structures.labels import balanced_draw, compound_key, read_labels
from softmode.study.settings import load_study

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.toml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_study_files_are_valid(path: Path) -> None:
    assert load_study(path).potentials


@pytest.mark.shared_data
@pytest.mark.parametrize("n", [12, 24, 120])
def test_lists_of_compounds_are_the_draw_of_the_seed(shared_data: Path, n: int) -> None:
    """Never chosen: what studies screen is what the seed draws."""
    labels = read_labels(shared_data / "labels" / "hdp_sigma_300K.csv").labels
    drawn = balanced_draw(labels, n, seed=2026, class_of=classify)
    entries = open_dataset(
        "structures", ROOT / "examples" / f"hdp_draw_{n}.txt", prototype="halide_double_perovskite"
    ).entries()
    assert {compound_key(entry.name) for entry in entries} == {label.key for label in drawn}
