"""Trajectories that come with the materials of a dataset."""

from __future__ import annotations

import pickle
from pathlib import Path

import ase.io
import h5py
import numpy as np
import phonopy
import pytest
from numpy.typing import NDArray
from phonopy.file_IO import write_FORCE_CONSTANTS
from trajectory_cases import UNITCELL, Case, make_case, springs, write_case, write_vibes

from softmode.crystal import Cell, ForceConstants, Material, Trajectory
from softmode.datasets import (
    MaterialEntry,
    align_trajectory,
    open_dataset,
    open_reference,
    read_trajectory,
    supercell_of,
)
from softmode.errors import InputDataError, SettingsError

CASE = make_case()
pytestmark = pytest.mark.filterwarnings("ignore:Warning. Point group symmetries")  # 2×1×2 cells


def displacements(material: Material, trajectory: Trajectory) -> NDArray[np.float64]:
    supercell = supercell_of(material)
    scaled = trajectory.positions @ np.linalg.inv(supercell.lattice) - supercell.scaled_positions
    return np.asarray((scaled - np.rint(scaled)) @ supercell.lattice)


def assert_case(entry: MaterialEntry, case: Case = CASE) -> None:
    """Displacements and forces of every frame, found by site, whatever the order of atoms."""
    material, trajectory = entry.load(), entry.load_trajectory()
    supercell = supercell_of(material)
    np.testing.assert_array_equal(trajectory.numbers, supercell.numbers)
    given = case.supercell
    for atom in range(given.n_atoms):
        offset = (supercell.scaled_positions - given.scaled_positions[atom] + 0.25) % 1.0 - 0.25
        (site,) = np.flatnonzero(np.abs(offset).max(axis=1) < 1e-6)
        assert supercell.numbers[site] == given.numbers[atom]
        np.testing.assert_allclose(trajectory.forces[:, site], case.forces[:, atom], atol=1e-8)
        u = (case.scaled[:, atom] - given.scaled_positions[atom] + 0.5) % 1.0 - 0.5
        np.testing.assert_allclose(displacements(material, trajectory)[:, site], u @ given.lattice, atol=1e-7)


def phonopy_folder(folder: Path) -> Path:
    """POSCAR and FORCE_CONSTANTS of CsCl, a VASP run in MD/."""
    (folder / "MD").mkdir(parents=True)
    ase.io.write(folder / "POSCAR", UNITCELL.to_atoms(), format="vasp")
    ph = phonopy.Phonopy(
        UNITCELL.to_phonopy(), supercell_matrix=np.diag([2, 1, 2]), primitive_matrix=np.eye(3)
    )
    write_FORCE_CONSTANTS(springs(Cell.from_phonopy(ph.supercell)), filename=str(folder / "FORCE_CONSTANTS"))
    write_case(CASE, folder / "MD" / "vasprun_prod_1.xml")
    write_case(make_case(4, seed=8), folder / "MD" / "vasprun_prod_10.xml.gz")
    write_case(make_case(5, seed=9), folder / "MD" / "vasprun_prod_2.xml.xz")
    return folder


def one_entry(path: Path, **options: object) -> MaterialEntry:
    (entry,) = open_dataset("phonopy", path, supercell_matrix="2 1 2", **options).entries()
    return entry


def test_files_of_a_phonopy_material(tmp_path: Path) -> None:
    folder = phonopy_folder(tmp_path / "CsCl")
    plain = one_entry(folder)
    assert not plain.has_trajectory
    with pytest.raises(InputDataError, match=r"CsCl: its reference has no trajectory\. .*option trajectory"):
        plain.load_trajectory()
    entry = pickle.loads(pickle.dumps(one_entry(folder, trajectory="MD/vasprun_prod_1.xml")))
    assert entry.has_trajectory
    assert_case(entry)
    assert entry.load_trajectory().run_lengths == (6,)
    several = one_entry(folder, trajectory="MD/vasprun_*.xml*", skip=1, every=2)
    assert several.load_trajectory().run_lengths == (3, 2, 2)  # prod_1, prod_2, prod_10
    assert (
        several.load_trajectory().source
        == "vasprun_prod_1.xml, vasprun_prod_2.xml.xz, vasprun_prod_10.xml.gz"
    )
    listed = one_entry(folder, trajectory=["MD/vasprun_prod_2*", "MD/vasprun_prod_*"])
    assert listed.load_trajectory().run_lengths == (5, 6, 4)


def test_fingerprint_covers_the_trajectory(tmp_path: Path) -> None:
    folder = phonopy_folder(tmp_path / "CsCl")
    pattern = "MD/*.xml*"
    prints = {
        one_entry(folder, **options).fingerprint  # type: ignore[arg-type]
        for options in (
            {},
            {"trajectory": pattern},
            {"trajectory": pattern, "skip": 1},
            {"trajectory": "MD/*.xml"},
        )
    }
    assert len(prints) == 4
    write_case(make_case(7, seed=8), folder / "MD" / "vasprun_prod_10.xml.gz")
    assert one_entry(folder, trajectory=pattern).fingerprint not in prints


def test_trajectory_options_that_make_no_sense(tmp_path: Path) -> None:
    folder = phonopy_folder(tmp_path / "CsCl")
    entry = one_entry(folder, trajectory="AIMD/*.xml")
    assert entry.has_trajectory  # it was announced: reading it is a failure, not a gap
    with pytest.raises(InputDataError, match=r"no file in it matches AIMD/\*.xml"):
        entry.load_trajectory()
    for bad in ("", [], "/data/*.xml", 3, ["a", 2]):
        with pytest.raises(SettingsError, match="no file pattern relative to the folder"):
            one_entry(folder, trajectory=bad)
    for bad in ({"skip": -1}, {"every": 0}, {"skip": 1.5}, {"every": True}):
        with pytest.raises(SettingsError, match="makes no sense"):
            one_entry(folder, trajectory="MD/*", **bad)
        with pytest.raises(SettingsError, match="makes no sense"):
            open_dataset("vibes", tmp_path, **bad)
    with pytest.raises(InputDataError, match="force constants but no displacements with forces"):
        one_entry(folder, trajectory="dataset").load_trajectory()
    other = Case(1.002 * CASE.lattice, *list(vars(CASE).values())[1:])
    path = write_case(other, folder / "MD" / "other.extxyz")
    with pytest.raises(InputDataError, match=r"differ by 0\.002") as caught:
        one_entry(folder, trajectory="MD/other.extxyz").load_trajectory()
    assert caught.value.subject == str(path)


def test_displacements_of_a_yaml_file_as_frames(tmp_path: Path) -> None:
    ph = phonopy.Phonopy(
        UNITCELL.to_phonopy(), supercell_matrix=np.diag([2, 1, 2]), primitive_matrix=np.eye(3)
    )
    rng = np.random.default_rng(4)
    u = rng.normal(scale=0.1, size=(7, 8, 3))
    forces = -np.einsum("ijab,fjb->fia", springs(Cell.from_phonopy(ph.supercell)), u)
    ph.dataset = {"displacements": u, "forces": forces}
    path = tmp_path / "phonopy_params.yaml"
    ph.save(path)
    (entry,) = open_dataset("phonopy", path, trajectory="dataset", skip=1, every=3).entries()
    trajectory = entry.load_trajectory()
    np.testing.assert_allclose(displacements(entry.load(), trajectory), u[[1, 4]], atol=1e-12)
    np.testing.assert_allclose(trajectory.forces, forces[[1, 4]], atol=1e-12)
    assert trajectory.notes == ()
    direct = read_trajectory([path], skip=1, every=3)
    np.testing.assert_allclose(direct.positions, trajectory.positions, atol=1e-12)
    ph.dataset = {"displacements": u}
    ph.save(path)
    with pytest.raises(InputDataError, match="holds no forces: this is no displacement–force dataset"):
        read_trajectory([path])
    ph.dataset = {"natom": 8, "first_atoms": [{"number": 0, "displacement": u[0, 0], "forces": forces[0]}]}
    ph.save(path)
    assert "single atom is displaced" in read_trajectory([path]).notes[0]


def test_embedded_example(example: Material) -> None:
    (entry,) = open_dataset("example").entries()
    trajectory = pickle.loads(pickle.dumps(entry)).load_trajectory()
    folder = Path(__file__).resolve().parents[2] / "src" / "softmode" / "data" / "Cs2AgBiBr6"
    images = ase.io.read(folder / "frames_300K.extxyz", index=":")
    assert [atoms.info["sampler"] for atoms in images] == ["CHGNet 0.3.0"] * 5 + ["7net-0"] * 10
    assert trajectory.run_lengths == (5, 10)
    assert trajectory.n_atoms == 80
    supercell = supercell_of(example)
    np.testing.assert_array_equal(trajectory.numbers, supercell.numbers)
    u = displacements(example, trajectory)
    assert np.sqrt((u**2).sum(axis=2).mean()) < 0.6
    at_rest = ase.io.read(folder / "SPOSCAR")
    for frame, atoms in enumerate(images):
        given = atoms.positions - at_rest.positions
        np.testing.assert_allclose(np.sort(u[frame], axis=0), np.sort(given, axis=0), atol=1e-6)
        np.testing.assert_array_equal(
            np.sort(trajectory.forces[frame], axis=0), np.sort(atoms.get_forces(), axis=0)
        )


def test_vibes(tmp_path: Path) -> None:
    for name in ("CsCl_300K", "CsCl_600K"):
        (tmp_path / name).mkdir()
        write_vibes(CASE, tmp_path / name / "trajectory.nc")
    write_vibes(make_case(4), tmp_path / "loose.nc")
    dataset = open_dataset("vibes", tmp_path)
    assert [entry.name for entry in dataset.entries()] == ["CsCl_300K", "CsCl_600K", "loose"]
    entry = pickle.loads(pickle.dumps(dataset.entries()[0]))
    material = entry.load()
    assert material.tags["level_of_theory"] == "PBE (FHI-aims)"
    assert material.unitcell.n_atoms == 2
    assert material.supercell_matrix.tolist() == np.diag([2, 1, 2]).tolist()
    assert isinstance(material.reference, ForceConstants)
    np.testing.assert_allclose(material.reference.values, springs(supercell_of(material)), atol=1e-9)
    assert_case(entry)
    (thinned,) = open_dataset("vibes", tmp_path / "CsCl_300K", skip=1, every=2).entries()
    assert thinned.load_trajectory().n_frames == 3
    assert thinned.fingerprint != entry.fingerprint
    path = tmp_path / "CsCl_300K" / "trajectory.nc"
    assert open_reference(path).reference_digest == material.reference_digest
    assert open_reference(path.parent).reference_digest == material.reference_digest
    with pytest.raises(InputDataError, match="it holds 3 materials"):
        open_reference(tmp_path)


def test_vibes_with_less_in_it(tmp_path: Path) -> None:
    path = tmp_path / "trajectory.nc"
    write_vibes(CASE, path, primitive=False)
    material = open_reference(path)
    assert material.unitcell.n_atoms == 8
    assert material.supercell_matrix.tolist() == np.eye(3).tolist()
    assert abs(np.linalg.det(material.primitive_matrix)) == pytest.approx(0.25)
    write_vibes(CASE, path, force_constants=False)
    with pytest.raises(InputDataError, match="no force constants, which make it a reference"):
        open_reference(path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputDataError, match="no trajectory of FHI-vibes is in it"):
        open_dataset("vibes", tmp_path / "empty").entries()
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(InputDataError, match=r"not a readable trajectory.nc \(truncated"):
        open_reference(path)


@pytest.mark.shared_data
def test_cspbi3(shared_data: Path) -> None:
    """Displacements, harmonic forces and sigma are those FHI-vibes wrote into the file."""
    path = shared_data / "cspbi3_vibes" / "trajectory.nc"
    (entry,) = open_dataset("vibes", path.parent).entries()
    assert entry.name == "cspbi3_vibes"
    material, trajectory = entry.load(), entry.load_trajectory()
    assert (material.formula, material.n_supercell_atoms) == ("CsPbI3", 135)
    assert material.tags["level_of_theory"] == "PBEsol (FHI-aims)"
    assert isinstance(material.reference, ForceConstants)
    supercell = supercell_of(material)
    with h5py.File(path) as file:
        rest = file["positions_reference"][:] @ np.linalg.inv(file["lattice_reference"][:])
        offset = supercell.scaled_positions[:, None] - rest[None]
        order = np.abs(offset - np.rint(offset)).max(axis=2).argmin(axis=1)
        assert not np.array_equal(order, np.arange(135))  # phonopy's order is another than FHI-vibes'
        u = displacements(material, trajectory)
        np.testing.assert_allclose(u, file["displacements"][:][:, order], atol=1e-9)
        np.testing.assert_array_equal(trajectory.forces, file["forces"][:][:, order])
        harmonic = -np.einsum("ijab,tjb->tia", material.reference.values, u)
        np.testing.assert_allclose(harmonic, file["forces_harmonic"][:][:, order], atol=1e-9)
        anharmonic = trajectory.forces - harmonic
        sigma = np.sqrt((anharmonic**2).sum() / (trajectory.forces**2).sum())
        assert sigma == pytest.approx(float(file.attrs["sigma"][0]), abs=1e-8)


@pytest.mark.shared_data
def test_kcl(shared_data: Path) -> None:
    path = shared_data / "kcl_phonopy" / "phonopy_mlpsscha_params_KCl-120.yaml.xz"
    ph = phonopy.load(path, produce_fc=False)
    (entry,) = open_dataset("phonopy", path, trajectory="dataset").entries()
    material, trajectory = entry.load(), entry.load_trajectory()
    assert trajectory.n_frames == 120
    np.testing.assert_allclose(displacements(material, trajectory), ph.dataset["displacements"], atol=1e-9)
    np.testing.assert_allclose(trajectory.forces, ph.dataset["forces"], atol=1e-9)
    aligned = align_trajectory(read_trajectory([path]), supercell_of(material), "KCl")
    np.testing.assert_allclose(aligned.positions, trajectory.positions, atol=1e-9)
