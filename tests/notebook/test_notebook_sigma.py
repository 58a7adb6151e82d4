"""Anharmonicity through the front door: σ from its definition, and what it was measured on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from moving_metals import Motion, phonopy_hessian, write_moving_metal
from softmode_test_factories import scaled_emt

import softmode as sm
from softmode.errors import SettingsError
from softmode.notebook.inputs import Crystal

FACTOR = 0.7


@pytest.fixture(scope="module")
def metal(tmp_path_factory: pytest.TempPathFactory) -> tuple[Crystal, Motion, np.ndarray]:
    """Copper in motion under EMT, and phonopy's own force constants."""
    folder = tmp_path_factory.mktemp("moving") / "Cu"
    motion = write_moving_metal(folder, "Cu")
    return sm.load(folder).with_trajectory(folder / "run.extxyz"), motion, phonopy_hessian(folder)


def test_of_the_reference_alone(metal: tuple[Crystal, Motion, np.ndarray]) -> None:
    crystal, motion, hessian = metal
    result = sm.anharmonicity(crystal)
    assert list(result.sides) == ["reference"]
    assert result.model is None
    assert result.reference is not None
    assert result.reference.mean_t == pytest.approx(motion.sigma_t(hessian).mean(), rel=1e-6)
    assert result.reference.class_name == "weak"
    assert result.reference.per_element == {"Cu": pytest.approx(result.reference.overall)}
    assert result.force_mae_eV_per_A is None
    assert repr(result).startswith("<Anharmonicity Cu, ⟨σ(t)⟩ on 24 frames of the reference: reference 0.")
    assert result.plot()._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]
    np.testing.assert_allclose(
        result.to_phonopy().force_constants, crystal_constants(hessian), atol=1e-6
    )  # the reference's, where there is no potential
    with pytest.raises(SettingsError, match="the potential has no force constants"):
        result.to_phonopy("potential")
    with pytest.raises(SettingsError, match="the modle has no force constants"):
        result.to_phonopy("modle")  # type: ignore[arg-type]


def crystal_constants(hessian: np.ndarray) -> np.ndarray:
    """First atom's force constants from a hessian of 8 atoms."""
    return hessian.reshape(8, 3, 8, 3).transpose(0, 2, 1, 3)[:1]


def test_a_potential_beside_the_reference(metal: tuple[Crystal, Motion, np.ndarray]) -> None:
    crystal, motion, hessian = metal
    result = sm.anharmonicity(crystal, sm.potential(scaled_emt(FACTOR), name="soft"))
    assert list(result.sides) == ["reference", "phi_ref", "phi_model"]
    expected = motion.sigma_t(hessian, forces=FACTOR * motion.forces).mean()
    assert result.sides["phi_ref"].mean_t == pytest.approx(expected, rel=1e-6)
    assert result.model is not None
    assert result.model.mean_t == pytest.approx(motion.sigma_t(hessian).mean(), rel=1e-5)  # scale forgiven
    error = (1 - FACTOR) * motion.forces
    assert result.force_mae_eV_per_A == pytest.approx(np.abs(error).mean(), rel=1e-6)
    assert result.force_rmse_eV_per_A == pytest.approx(np.sqrt((error**2).mean()), rel=1e-6)
    assert list(result.table["class_name"]) == [side.class_name for side in result.sides.values()]
    assert "Cu × soft" in repr(result)
    np.testing.assert_allclose(
        result.to_phonopy().force_constants, FACTOR * crystal_constants(hessian), atol=1e-6
    )


def test_a_trajectory_given_in_the_call(metal: tuple[Crystal, Motion, np.ndarray], tmp_path: Path) -> None:
    crystal, _, _ = metal
    given = sm.anharmonicity(crystal.material, trajectory=crystal.trajectory)
    assert given.sides == sm.anharmonicity(crystal).sides


def test_a_potential_alone_on_samples_of_its_own() -> None:
    crystal = sm.load(bulk("Cu", a=3.59), "2 2 2")
    result = sm.anharmonicity(crystal, EMT(), temperature=200.0, samples=12)
    assert result.configurations == "12 samples of its self-consistent harmonic crystal at 200 K"
    assert list(result.sides) == ["self_consistent"]
    assert result.reference is None
    assert result.model == result.sides["self_consistent"]
    assert 0.0 < result.model.mean_t < 0.3
    hotter = sm.anharmonicity(crystal, EMT(), temperature=800.0, samples=12).model
    assert hotter is not None
    assert hotter.mean_t > 1.3 * result.model.mean_t
    assert "the potential alone" in result._repr_html_()


def test_nothing_to_measure_is_said() -> None:
    with pytest.raises(SettingsError, match="no trajectory, and no potential is given"):
        sm.anharmonicity(bulk("Cu"))
    with pytest.raises(SettingsError, match="temperature"):
        sm.anharmonicity(bulk("Cu"), EMT(), temperature=-1.0)
