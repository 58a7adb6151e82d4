"""Trees of the halide double perovskite database, whole and with everything that can be wrong with them."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
from hdp_potential import Compound
from hdp_standin import FOLDERS, Truth, make_truth, poscar_text, sposcar, write_compound, write_database

COMPOUNDS = (
    Compound("Cs", "Na", "Al", "F"),
    Compound("Cs", "Ag", "Bi", "Br"),
    Compound("Rb", "Rb", "Sc", "Cl"),
)
FRAMES = (6, 5)
RUN = "MD/vasprun_prod_{}.xml"


def make_truths() -> dict[str, Truth]:
    """Truth by uid."""
    truths = [make_truth(compound, FRAMES) for compound in COMPOUNDS]
    return {truth.uid: truth for truth in truths}


def write_truths(root: Path, truths: dict[str, Truth]) -> Path:
    """The tree of these compounds, with its database."""
    for uid, truth in truths.items():
        write_compound(root / FOLDERS[truth.compound.x] / uid, truth)
    rows = [(uid, truth.compound.primitive, truth.labels) for uid, truth in truths.items()]
    write_database(root / "double_halide_pv.db", rows)
    return root


def edit(path: Path, change: Callable[[str], str]) -> None:
    """Change a text file."""
    path.write_text(change(path.read_text(encoding="iso-8859-1")), encoding="iso-8859-1")


def cut_in_frame(path: Path, frame: int) -> None:
    """End a vasprun.xml in the middle of the forces of a frame (counted from 0)."""
    text = path.read_text(encoding="iso-8859-1")
    at = -1
    for _ in range(frame + 1):
        at = text.index('<varray name="forces"', at + 1)
    path.write_text(text[: at + 1000], encoding="iso-8859-1")


def scale_force_constants(folder: Path, factor: float) -> None:
    """Multiply the force constants in the file."""
    with h5py.File(folder / "force_constants.hdf5", "r+") as file:
        file["force_constants"][...] = factor * file["force_constants"][...]


def force_constants_of_40_atoms(folder: Path) -> None:
    """Replace the force constants by those of half the supercell."""
    with h5py.File(folder / "force_constants.hdf5", "r+") as file:
        values = file["force_constants"][:40, :40]
        del file["force_constants"]
        file["force_constants"] = values


def scale_forces(folder: Path, truth: Truth, factor: float) -> None:
    """Write both runs again with other forces."""
    rewrite(
        folder,
        Truth(
            truth.compound,
            truth.supercell,
            truth.force_constants,
            truth.scaled,
            [factor * forces for forces in truth.forces],
        ),
    )


def rewrite(folder: Path, truth: Truth, order: np.ndarray | None = None) -> None:
    """Write a compound in place of another."""
    shutil.rmtree(folder)
    write_compound(folder, truth, order=order)


def other_supercell(folder: Path, compound: Compound) -> None:
    """An SPOSCAR that is no multiple of CONTCAR."""
    atoms = sposcar(compound)
    atoms.set_cell(1.02 * atoms.cell.array, scale_atoms=True)
    (folder / "SPOSCAR").write_text(poscar_text(atoms, "swollen"))


def pack(folder: Path, suffix: str, *, inside: str | None = None, remove: bool = True) -> Path:
    """Replace a folder by an archive of it; `inside` is the name of the folder in it (empty: none)."""
    archive = folder.with_name(folder.name + suffix)
    mode = {".tar": "w", ".tar.gz": "w:gz", ".tgz": "w:gz", ".tar.xz": "w:xz"}[suffix]
    with tarfile.open(archive, mode) as tar:  # type: ignore[call-overload]
        tar.add(folder, arcname=folder.name if inside is None else inside or ".")
    if remove:
        shutil.rmtree(folder)
    return archive
