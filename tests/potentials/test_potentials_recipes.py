"""Recipes for potentials whose weights are on the network, run with stand-ins for their packages.

The stand-ins have the modules, names and arguments of the releases that are pinned, and answer with ASE's
effective-medium potential.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from typer.testing import CliRunner

from softmode.cli.app import app
from softmode.errors import MissingDependencyError, SettingsError
from softmode.potentials import PotentialSettings, resolve
from softmode.potentials.recipes import FAMILIES

#: Signatures as in the releases that are pinned; arguments that recipes do not use are left out. One of them
#: prints, as several of the packages do.
STAND_INS = {
    "orb_models/forcefield/pretrained.py": """
def orb_v3_conservative_inf_omat(weights_path="", device=None, precision="float32-high", compile=None):
    assert (device, precision, compile) == ("cpu", "float32-highest", False)
    print("loading")
    return "a model"

ORB_PRETRAINED_MODELS = {"orb-v3-conservative-inf-omat": orb_v3_conservative_inf_omat}
""",
    "orb_models/forcefield/calculator.py": """
from ase.calculators.emt import EMT

class ORBCalculator(EMT):
    def __init__(self, model, *, conservative=None, device=None, directory="."):
        assert (model, device) == ("a model", "cpu")
        super().__init__()
""",
    "mattersim/forcefield/__init__.py": """
from ase.calculators.emt import EMT

class MatterSimCalculator(EMT):
    def __init__(self, potential=None, args_dict={}, compute_stress=True, device="cpu", **kwargs):
        assert kwargs == {"load_path": "MatterSim-v1.0.0-5M.pth"} and device == "cpu"
        super().__init__()
""",
    "fairchem/core/__init__.py": """
from ase.calculators.emt import EMT

class FAIRChemCalculator(EMT):
    @classmethod
    def from_model_checkpoint(
        cls, name_or_path, task_name=None, inference_settings="default", overrides=None, device=None
    ):
        assert (name_or_path, task_name, inference_settings, device) == ("uma-s-1p1", "omat", "batch", "cpu")
        return cls()
""",
    "upet/ase/__init__.py": """
from ase.calculators.emt import EMT

class UPETCalculator(EMT):
    def __init__(self, model=None, version="latest", dtype=None, checkpoint_path=None, *, device=None):
        assert (model, version, dtype, device) == ("pet-mad-s", "1.6.0", "float64", "cpu")
        super().__init__()
""",
    "tensorpotential/calculator/__init__.py": """
from ase.calculators.emt import EMT

def grace_fm(model, pad_neighbors_fraction=0.05, pad_atoms_number=10, **kwargs):
    assert model == "GRACE-2L-OAM" and not kwargs
    return EMT()
""",
}
#: One model of each package, and whether its licence asks something of who uses it.
MODELS = {
    "orb-v3-conservative-inf-omat": False,
    "MatterSim-v1.0.0-5M": False,
    "uma-s-1p1": True,
    "pet-mad-s-v1.6.0": False,
    "GRACE-2L-OAM": True,
}


@pytest.fixture
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, code in STAND_INS.items():
        file = tmp_path / "packages" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))
    tops = {name.partition("/")[0] for name in STAND_INS}
    yield
    for module in [name for name in sys.modules if name.partition(".")[0] in tops]:
        del sys.modules[module]


@pytest.mark.parametrize(("name", "binding"), MODELS.items())
def test_a_recipe_gives_what_its_package_gives(
    stand_ins: None,
    name: str,
    binding: bool,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    atoms = bulk("Al", cubic=True)
    atoms.positions[0] += 0.1
    with caplog.at_level(logging.WARNING):
        potential = resolve(name).load()
    found = potential.evaluate([atoms])
    atoms.calc = EMT()
    np.testing.assert_array_equal(found.forces[0], atoms.get_forces())
    assert (f"{name}: its weights come under the" in caplog.text) is binding
    assert capsys.readouterr().out == ""


def test_phonons_with_a_recipe(stand_ins: None, tiny_dataset: Path) -> None:
    arguments = ["phonons", "--reference", str(tiny_dataset / "Al"), "--json"]
    both = ["--potential", "mattersim", "--potential", "ase.calculators.emt:EMT"]
    result = CliRunner().invoke(app, [*arguments, *both])
    assert result.exit_code == 0, (result.output, result.exception)
    recipe, own = json.loads(result.stdout)
    assert recipe["potential"] == "MatterSim-v1.0.0-5M"
    assert (recipe["dtype"], own["dtype"]) == ("float32", "float64")
    different = {"potential": "", "dtype": "", "seconds": 0, "level_of_theory_potential": ""}
    assert recipe | different == own | different


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_each_says_what_to_install_and_that_it_is_not_tried(family) -> None:  # type: ignore[no-untyped-def]
    assert family.package.pins[0].startswith(f"{family.package.distribution}==")
    assert family.how_to_install() == f"softmode potentials install {family.name}"
    for entry in family.entries:
        assert not entry.tried
        assert entry.citation
        assert entry.training_data != "unknown"
        assert entry.level_of_theory != "unknown"
        if not family.package.is_installed():
            with pytest.raises(MissingDependencyError, match=family.package.distribution):
                resolve(entry.name)


def test_settings_without_a_use_are_refused(stand_ins: None) -> None:
    with pytest.raises(SettingsError, match="float32"):
        resolve(PotentialSettings(name="uma-s-1p1", dtype="float64"))
    with pytest.raises(SettingsError, match="device"):
        resolve(PotentialSettings(name="grace", device="cuda"))
    assert resolve("grace").digest != resolve("GRACE-1L-OAM").digest
