"""Of a MACE model the weights of the elements present are enough: the same results, sooner."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

pytest.importorskip("mace")

from small_mace import build_small_mace

from softmode.potentials import PotentialSettings, resolve
from softmode.potentials.mace import MACEPotential
from softmode.potentials.mace_elements import model_of_elements
from softmode.potentials.runtime import default_dtype

#: Not in the order of atomic numbers, and more than any configuration here has.
SYMBOLS = ("Cl", "Na", "F", "Cs", "Ag", "O", "Bi")

#: Architectures of the models known by name: those of MACE-MP-0 (a, b), of OMAT and MatPES, of the multi-head
#: ones, and variants of mace-torch that none of them has.
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "mp-0": {"interactions": ("RealAgnosticResidual", "RealAgnosticResidual")},
    "first layer without residual": {"interactions": ("RealAgnostic", "RealAgnosticResidual")},
    "density": {
        "interactions": ("RealAgnosticDensity", "RealAgnosticDensityResidual"),
        "pair_repulsion": True,
        "distance_transform": "Agnesi",
        "correlation": 3,
    },
    "multi-head": {
        "interactions": ("RealAgnosticResidualNonLinear", "RealAgnosticResidualNonLinear"),
        "heads": ("default", "other"),
        "readout_cls": "NonLinearBiasReadoutBlock",
        "apply_cutoff": False,
        "distance_transform": "Agnesi",
        "pair_repulsion": True,
    },
    "agnostic product": {
        "interactions": ("RealAgnosticResidualNonLinear", "RealAgnosticResidualNonLinear"),
        "use_agnostic_product": True,
        "use_last_readout_only": True,
    },
    "attention": {"interactions": ("RealAgnosticAttResidual", "RealAgnosticAttResidual")},
    "other radial functions": {"radial_type": "gaussian", "distance_transform": "Soft", "correlation": 1},
    "scalars": {"scalars_only": True, "heads": ("Default", "dft")},
}


def built(path: Path, architecture: str, symbols: Sequence[str] = SYMBOLS) -> Path:
    from e3nn import o3
    from mace import modules

    changes = dict(ARCHITECTURES[architecture])
    if "readout_cls" in changes:
        changes["readout_cls"] = modules.readout_classes[changes["readout_cls"]]
    if changes.pop("scalars_only", False):
        changes["hidden_irreps"] = o3.Irreps("8x0e")
    return build_small_mace(path / "of_many.model", symbols, **changes)


def crystal(name: str = "NaCl", seed: int = 5) -> Atoms:
    atoms = bulk(name, "rocksalt", a=4.6, cubic=True)
    atoms.symbols[2] = "Cs"
    atoms.positions += np.random.default_rng(seed).uniform(-0.2, 0.2, atoms.positions.shape)
    return atoms


def loaded(path: Path, dtype: str = "float64", **kwargs: Any) -> MACEPotential:
    potential = resolve(PotentialSettings(name=str(path), dtype=dtype, kwargs=kwargs)).load()
    assert isinstance(potential, MACEPotential)
    return potential


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_energies_forces_and_stress_are_those_of_mace_torch(tmp_path: Path, architecture: str) -> None:
    from mace.calculators.mace import MACECalculator

    path = built(tmp_path, architecture)
    potential = loaded(path)
    atoms, others = crystal(), crystal("AgF")
    assert model_of_elements(potential.model, set(atoms.numbers)).atomic_numbers.tolist() == [11, 17, 55]
    found = potential.evaluate([atoms, others])
    reference = MACECalculator(model_paths=str(path), default_dtype="float64", head=potential.head)
    for index, each in enumerate((atoms, others)):
        each.calc = reference
        with default_dtype("float64"):  # the repulsion is in torch's default precision
            forces, stress = each.get_forces(), each.get_stress()
        assert np.abs(forces).max() > 1e-3
        np.testing.assert_allclose(found.forces[index], forces, rtol=0, atol=1e-10)
        assert found.energies[index] == pytest.approx(each.get_potential_energy(), abs=1e-10)
        each.calc = potential.calculator()
        np.testing.assert_allclose(each.get_stress(), stress, rtol=0, atol=1e-10)
        np.testing.assert_allclose(each.get_forces(), found.forces[index], rtol=0, atol=1e-10)


def test_single_precision_is_as_good_as_that_of_the_whole_model(tmp_path: Path) -> None:
    path = built(tmp_path, "density")
    exact = loaded(path).evaluate([crystal()]).forces[0]
    few, all_of_them = (
        np.abs(loaded(path, "float32", all_elements=whole).evaluate([crystal()]).forces[0] - exact).max()
        for whole in (False, True)
    )
    assert 0 < few < max(2 * all_of_them, 1e-6)


def test_results_do_not_depend_on_what_was_evaluated_before(tmp_path: Path) -> None:
    path = built(tmp_path, "density")
    first = loaded(path, "float32").evaluate([crystal()])
    others = loaded(path, "float32")
    for name in ("AgF", "NaF", "CsCl", "AgCl", "NaF"):
        others.evaluate([crystal(name)])
    assert len(others._small) <= 2
    for _ in range(3):
        later = others.evaluate([crystal()])
        assert later.forces[0].tobytes() == first.forces[0].tobytes()
        assert later.energies[0] == first.energies[0]


def test_a_batch_of_different_elements_keeps_its_order(tmp_path: Path) -> None:
    potential = loaded(built(tmp_path, "mp-0"))
    names = ("NaCl", "AgF", "NaCl", "NaCl", "AgF")
    batch = [crystal(name, seed) for seed, name in enumerate(names)]
    together = potential.evaluate(batch)
    for index, atoms in enumerate(batch):
        alone = potential.evaluate([atoms])
        np.testing.assert_allclose(together.forces[index], alone.forces[0], rtol=0, atol=1e-12)
        assert together.energies[index] == pytest.approx(alone.energies[0], abs=1e-12)


def test_a_model_of_an_unknown_kind_is_used_whole(tmp_path: Path) -> None:
    potential = loaded(built(tmp_path, "mp-0"))
    expected = potential.evaluate([crystal()]).forces[0]

    class Extended(type(potential.model)):  # type: ignore[misc]
        """As a plugin of mace-torch may bring it."""

    potential.model.__class__ = Extended
    potential._small.clear()
    assert model_of_elements(potential.model, {11, 17, 55}) is potential.model
    np.testing.assert_allclose(potential.evaluate([crystal()]).forces[0], expected, rtol=0, atol=1e-12)


def test_all_elements_are_an_option_with_records_of_their_own(tmp_path: Path) -> None:
    path = built(tmp_path, "mp-0")
    settings = PotentialSettings(name=str(path), kwargs={"all_elements": True})
    assert resolve(settings).digest != resolve(str(path)).digest
    whole = loaded(path, all_elements=True)
    assert whole._model_for(crystal()) is whole.model
    np.testing.assert_allclose(
        whole.evaluate([crystal()]).forces[0],
        loaded(path).evaluate([crystal()]).forces[0],
        rtol=0,
        atol=1e-12,
    )
