"""Shared data and small sources of reference data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from trajectory_cases import springs

from softmode.crystal import Cell


@pytest.fixture(scope="session")
def cscl_like(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny unpacked folder as in the phonon database: CsCl, 2x2x2, forces of springs, with BORN."""
    folder = tmp_path_factory.mktemp("database") / "mp-1-20180417"
    folder.mkdir()
    (folder / "POSCAR-unitcell").write_text(
        " Cl Cs\n 1.0\n 4 0 0\n 0 4 0\n 0 0 4\n Cl Cs\n 1 1\nDirect\n 0.5 0.5 0.5\n 0 0 0\n"
    )
    (folder / "phonopy.conf").write_text("DIM = 2 0 0 0 2 0 0 0 2")
    grid = np.indices((2, 2, 2)).reshape(3, -1).T / 2
    sites = np.vstack([grid + 0.25, grid])
    constants = springs(Cell(np.eye(3) * 8.0, sites, np.repeat([17, 55], 8)))
    lines = ["16", "2"]
    for atom in (1, 9):
        forces = -0.01 * constants[:, atom - 1, :, 0]
        lines += [f"{atom}", "0.01 0 0", *(" ".join(f"{x:.8f}" for x in row) for row in forces)]
    (folder / "FORCE_SETS").write_text("\n".join(lines) + "\n")
    (folder / "BORN").write_text(
        "# epsilon and Z*\n" + "3 0 0 0 3 0 0 0 3\n-1 0 0 0 -1 0 0 0 -1\n1 0 0 0 1 0 0 0 1\n"
    )
    return folder
