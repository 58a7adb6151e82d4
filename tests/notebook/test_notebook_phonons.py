"""Phonons through the front door: figures against phonopy's own, and files that phonopy reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import phonopy
import pytest
import yaml
from ase.build import bulk
from ase.calculators.emt import EMT
from phonopy import Phonopy
from phonopy.file_IO import parse_FORCE_CONSTANTS, read_force_constants_hdf5
from softmode_test_factories import scaled_emt
from tiny_study import EMT_NAME, metal_phonopy

import softmode as sm
from softmode import harmonic as hm
from softmode.crystal import NonAnalyticalCorrection
from softmode.errors import SettingsError
from softmode.notebook.phonons import PhononComparison

SOFT = 0.81


@pytest.fixture(scope="module")
def compared(tiny_dataset: Path) -> PhononComparison:
    """Copper: EMT with all forces times 0.81 against EMT."""
    return sm.compare_phonons(tiny_dataset / "Cu", sm.potential(scaled_emt(SOFT), name="soft"))


@pytest.fixture(scope="module")
def alone() -> Phonopy:
    """Copper under EMT, by phonopy without softmode."""
    phonon = metal_phonopy("Cu")
    phonon.generate_displacements(distance=0.01)
    forces = []
    for cell in phonon.supercells_with_displacements:
        atoms = bulk("Cu") * (2, 2, 2)
        atoms.set_cell(cell.cell)
        atoms.set_scaled_positions(cell.scaled_positions)
        atoms.calc = EMT()
        forces.append(atoms.get_forces())
    phonon.forces = np.array(forces)
    phonon.produce_force_constants(calculate_full_force_constants=False)
    phonon.symmetrize_force_constants(show_drift=False)
    return phonon


def frequencies(phonon: Phonopy, q: Any) -> np.ndarray:
    phonon.run_qpoints(q)
    return np.asarray(phonon.qpoints.frequencies)


def test_figures_are_those_of_phonopy(compared: PhononComparison, alone: Phonopy) -> None:
    q = compared.records["harmonic"].arrays["qpoints"]
    reference = frequencies(alone, q)
    np.testing.assert_allclose(compared.frequencies_reference_THz, reference, atol=1e-5)
    np.testing.assert_allclose(compared.frequencies_model_THz, np.sqrt(SOFT) * reference, atol=1e-5)
    squares = (1 - SOFT) * reference**2
    path = compared.path
    assert path.rmse_w2_THz2 == pytest.approx(np.sqrt((squares**2).mean()), rel=1e-4)
    assert path.mae_w2_THz2 == pytest.approx(squares.mean(), rel=1e-4)
    assert path.mae_frequency_THz == pytest.approx((1 - np.sqrt(SOFT)) * reference.mean(), rel=1e-4)
    assert path.softening == pytest.approx(SOFT, rel=1e-4)
    assert compared.mesh.softening == pytest.approx(SOFT, rel=1e-4)
    assert path.stability_agrees is True


def test_it_is_shown_as_a_sentence_a_table_and_a_figure(compared: PhononComparison) -> None:
    assert repr(compared).startswith("<PhononComparison Cu × soft: RMSE(ω²) ")
    assert "slope of ω² 0.810 on the band path>" in repr(compared)
    assert len(repr(compared)) < 160
    assert compared.table.loc["MAE(ω²), THz²", "path"] == compared.path.mae_w2_THz2
    html = compared._repr_html_()
    assert "<table" in html
    assert "&lt;PhononComparison" in html
    figure = compared.plot()
    assert figure._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]


@pytest.mark.parametrize(("of", "factor"), [(None, SOFT), ("potential", SOFT), ("reference", 1.0)])
def test_to_phonopy(compared: PhononComparison, alone: Phonopy, of: Any, factor: float) -> None:
    phonon = compared.to_phonopy(of)
    np.testing.assert_allclose(phonon.force_constants, factor * alone.force_constants, atol=1e-7)
    phonon.symmetrize_force_constants(show_drift=False)  # may be changed: nobody else has it
    phonon.force_constants[:] = 0.0
    assert np.abs(compared.to_phonopy(of).force_constants).max() > 0.1


def test_phonopy_reads_what_is_written(compared: PhononComparison, alone: Phonopy, tmp_path: Path) -> None:
    q = compared.records["harmonic"].arrays["qpoints"]
    expected = np.sqrt(SOFT) * frequencies(alone, q)
    params = compared.write(tmp_path / "new" / "soft_phonopy_params.yaml")
    loaded = phonopy.load(params, log_level=0, symmetrize_fc=False)
    np.testing.assert_allclose(frequencies(loaded, q), expected, atol=1e-5)
    loaded.force_constants = parse_FORCE_CONSTANTS(compared.write(tmp_path / "FORCE_CONSTANTS"))
    np.testing.assert_allclose(frequencies(loaded, q), expected, atol=1e-5)
    hdf5 = compared.write(str(tmp_path / "force_constants.hdf5"))
    loaded.force_constants = read_force_constants_hdf5(hdf5, p2s_map=loaded.primitive.p2s_map)
    np.testing.assert_allclose(frequencies(loaded, q), expected, atol=1e-5)
    bands = yaml.safe_load(compared.write(tmp_path / "band.yaml").read_text())
    found = [[mode["frequency"] for mode in point["band"]] for point in bands["phonon"]]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose([point["q-position"] for point in bands["phonon"]], q, atol=1e-7)
    segments = compared.records["harmonic"].values["path_segments"]
    assert bands["labels"] == [list(segment) for segment in segments]
    reference = phonopy.load(
        compared.write(tmp_path / "phonopy_params.yaml", of="reference"), log_level=0, symmetrize_fc=False
    )
    np.testing.assert_allclose(frequencies(reference, q), frequencies(alone, q), atol=1e-5)


def test_other_files_are_refused(compared: PhononComparison, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"bands.hdf5: its name says no kind.*band.yaml or FORCE"):
        compared.write(tmp_path / "bands.hdf5")
    assert not list(tmp_path.iterdir())


def test_a_relaxed_crystal_is_written_relaxed(tiny_dataset: Path) -> None:
    material = sm.load(tiny_dataset / "Cu").material
    wide = replace(material, unitcell=replace(material.unitcell, lattice=1.01 * material.unitcell.lattice))
    compared, own = (sm.compare_phonons(crystal, EMT(), structure="relaxed") for crystal in (wide, material))
    ratio, of_own = (one.records["displaced_forces"].values["lattice_ratio"] for one in (compared, own))
    assert ratio == pytest.approx(of_own / 1.01, rel=1e-5)
    lattices = [compared.to_phonopy(of).unitcell.cell for of in ("potential", "reference")]
    np.testing.assert_allclose(lattices[0], ratio * lattices[1], rtol=1e-6, atol=1e-9)


def test_born_charges_are_handed_on_where_they_are_used(tiny_dataset: Path) -> None:
    material = sm.load(tiny_dataset / "Cu").material
    nac = NonAnalyticalCorrection(np.zeros((1, 3, 3)), 2.0 * np.eye(3), 14.4)
    charged = replace(material, nac=nac)
    without = sm.compare_phonons(charged, EMT_NAME)
    assert without.to_phonopy().nac_params is None
    used = sm.compare_phonons(charged, EMT_NAME, hm.named_protocol("default", nac="reference"))
    for of in ("potential", "reference"):
        np.testing.assert_array_equal(used.to_phonopy(of).nac_params["dielectric"], 2.0 * np.eye(3))


def test_what_is_lacking_is_said(tiny_dataset: Path) -> None:
    with pytest.raises(SettingsError, match="harmonic needs reference force constants"):
        sm.compare_phonons(bulk("Cu"), EMT())
    with pytest.raises(SettingsError, match="protocol 'yang': is not known"):
        sm.compare_phonons(tiny_dataset / "Cu", EMT(), "yang")
