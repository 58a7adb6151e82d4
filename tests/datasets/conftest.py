"""Shared data and small sources of reference data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def cscl_like(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny unpacked folder as in the phonon database: CsCl, 2x2x2, invented forces, with BORN."""
    folder = tmp_path_factory.mktemp("database") / "mp-1-20180417"
    folder.mkdir()
    (folder / "POSCAR-unitcell").write_text(
        " Cl Cs\n 1.0\n 4 0 0\n 0 4 0\n 0 0 4\n Cl Cs\n 1 1\nDirect\n 0.5 0.5 0.5\n 0 0 0\n"
    )
    (folder / "phonopy.conf").write_text("DIM = 2 0 0 0 2 0 0 0 2")
    rng = np.random.default_rng(7)
    lines = ["16", "2"]
    for atom in (1, 9):
        lines += [
            f"{atom}",
            "0.01 0 0",
            *(" ".join(f"{x:.8f}" for x in row) for row in rng.normal(size=(16, 3))),
        ]
    (folder / "FORCE_SETS").write_text("\n".join(lines) + "\n")
    (folder / "BORN").write_text(
        "# epsilon and Z*\n" + "3 0 0 0 3 0 0 0 3\n-1 0 0 0 -1 0 0 0 -1\n1 0 0 0 1 0 0 0 1\n"
    )
    return folder
