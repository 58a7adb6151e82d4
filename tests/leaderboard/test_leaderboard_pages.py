"""What pages of results say of σ is what their table says, and what is packaged."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import softmode

DOCS = Path(__file__).resolve().parents[2] / "docs" / "results"
PACKAGED = Path(softmode.__file__).parent / "data" / "leaderboard"


@pytest.mark.parametrize("crystal", ["Cs2AgBiBr6", "CsPbI3", "SrTiO3", "KCl"])
def test_the_leaderboard_of_sigma_is_the_same_everywhere(crystal: str) -> None:
    """Each row of the table stands in its section of the page, and in the packaged table of that crystal."""
    table = pd.read_csv(DOCS / "anharmonicity" / "leaderboard.csv")
    rows = table[table["crystal"] == crystal].set_index("potential")
    page = (DOCS / "anharmonicity.md").read_text(encoding="utf-8")
    section = page.split(f"### {crystal} (DFT: {rows['sigma_reference'].iloc[0]:.3f}")[1].split("\n## ")[0]
    for potential, row in rows.iterrows():
        assert f"| {potential} | {row['sigma_phi_model']:.3f} | {row['net']:+.3f}" in section
    run = {"SrTiO3": "srtio3"}.get(crystal, f"{crystal.lower()}_sigma")
    packaged = pd.read_csv(PACKAGED / f"{run}.csv").set_index("potential")
    assert set(packaged.index) == set(rows.index)
    for ours, theirs in (
        ("sigma_phi_model", "sigma"),
        ("force", "sigma_force_error"),
        ("hessian", "sigma_hessian_error"),
    ):
        pd.testing.assert_series_equal(
            packaged[theirs].loc[rows.index], rows[ours], check_names=False, rtol=1e-3, atol=1e-6
        )
