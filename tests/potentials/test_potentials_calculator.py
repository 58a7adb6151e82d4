from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms

from softmode.errors import ChangedInputError, MissingDependencyError, NonFiniteForcesError, PotentialError
from softmode.potentials import Potential, PotentialSettings, resolve

SOURCE = '''
import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT

NOT_A_FACTORY = 3

class Spoiled(Calculator):
    """Fails on crystals of three atoms, returns NaN for two, one force too few for four;
    for six forces are complex, for seven words."""

    implemented_properties = ["energy", "forces"]

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        if len(atoms) == 3:
            raise ValueError("cannot do three\\nand a second line")
        if len(atoms) == 5:
            raise MemoryError("DefaultCPUAllocator: can't allocate memory")
        self.results = {"energy": 0.0, "forces": np.zeros((len(atoms) - (len(atoms) == 4), 3))}
        if len(atoms) == 2:
            self.results["forces"][0] = np.nan
        if len(atoms) == 6:
            self.results["forces"] = self.results["forces"] + 1j
        if len(atoms) == 7:
            self.results["forces"] = np.array([["a", "b", "c"]] * 7)

def refuses(limit):
    raise RuntimeError(f"not with {limit}")

def nothing():
    return None

def changes_its_arguments(options):
    options.clear()
    return EMT()

class Namespace:
    Inner = EMT

class Corrected(EMT):
    """Corrects the forces it gives, not its results; forces of its results are those of an energy."""

    def get_forces(self, atoms=None):
        return 2.0 * super().get_forces(atoms)

class ForcesOnDemand(Calculator):
    """Makes forces only when these are asked for."""

    implemented_properties = ["energy", "forces"]

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results["energy"] = 1.0
        if "forces" in properties:
            self.results["forces"] = np.full((len(atoms), 3), atoms.positions[0, 0])
'''


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "softmode_test_calculators.py").write_text(SOURCE)
    (tmp_path / "softmode_test_broken.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(str(tmp_path))
    return "softmode_test_calculators"


def load(name: str, **kwargs: object) -> Potential:
    return resolve(PotentialSettings(name=name, kwargs=kwargs)).load()


def test_equals_the_calculator_itself_whatever_the_constraints() -> None:
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True)
    atoms.rattle(0.1, seed=2)
    free = atoms.copy()
    free.calc = EMT()
    atoms.set_constraint(FixAtoms([0, 1]))
    result = load("ase.calculators.emt:EMT").evaluate([atoms])
    np.testing.assert_allclose(result.forces[0], free.get_forces(), atol=1e-12)
    assert result.energies[0] == pytest.approx(free.get_potential_energy())
    assert atoms.constraints
    assert np.abs(result.forces[0][:2]).min() > 1e-6


def rattled(seed: int) -> Atoms:
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True)
    atoms.rattle(0.1, seed=seed)
    return atoms


def test_each_configuration_has_its_own_forces() -> None:
    """Also when one is given twice, and when the forces handed out are changed."""
    potential = load("ase.calculators.emt:EMT")
    given = [rattled(1), rattled(2), rattled(2), rattled(1)]
    first = [forces.copy() for forces in potential.evaluate(given).forces]
    for forces in potential.evaluate(given).forces:
        forces *= 0.0
    for atoms, forces, again in zip(given, first, potential.evaluate(given).forces, strict=True):
        atoms.calc = EMT()
        np.testing.assert_allclose(forces, atoms.get_forces(), atol=1e-12)
        np.testing.assert_array_equal(forces, again)


def test_a_calculator_with_its_own_way_to_forces_is_asked_for_them(module: str) -> None:
    atoms = rattled(3)
    forces = load(f"{module}:Corrected").evaluate([atoms]).forces[0]
    plain = load("ase.calculators.emt:EMT").evaluate([atoms]).forces[0]
    np.testing.assert_allclose(forces, 2.0 * plain, atol=1e-12)


def test_forces_that_do_not_come_with_the_energy_are_asked_for(module: str) -> None:
    given = [argon(1), argon(1)]
    given[1].positions[0, 0] = 3.0
    result = load(f"{module}:ForcesOnDemand").evaluate(given)
    assert [float(forces[0, 0]) for forces in result.forces] == [0.0, 3.0]


@pytest.mark.parametrize(
    ("factory", "problem"),
    [
        ("softmode_test_calculators:Absent", "has no Absent"),
        ("softmode_test_calculators:NOT_A_FACTORY", "is of type int and cannot be called"),
        ("softmode_test_calculators:nothing", "of type NoneType"),
        ("softmode_test_broken:EMT", "importing softmode_test_broken fails with ZeroDivisionError"),
    ],
)
def test_a_factory_that_cannot_be_used_is_explained(module: str, factory: str, problem: str) -> None:
    with pytest.raises(PotentialError, match=problem) as caught:
        load(factory)
    assert factory in str(caught.value)


def test_a_module_that_is_not_installed_is_named() -> None:
    with pytest.raises(MissingDependencyError, match=r"softmode_absent is not installed.*PYTHONPATH"):
        load("softmode_absent.calculators:EMT")


def test_a_factory_that_raises_is_explained(module: str) -> None:
    with pytest.raises(PotentialError, match="RuntimeError: not with 3"):
        load(f"{module}:refuses", limit=3)
    with pytest.raises(PotentialError, match="unexpected keyword"):
        load(f"{module}:refuses", other=3)


def test_the_settings_survive_a_factory_that_changes_its_arguments(module: str) -> None:
    settings = PotentialSettings(name=f"{module}:changes_its_arguments", kwargs={"options": {"a": 1}})
    resolve(settings).load()
    assert settings.kwargs == {"options": {"a": 1}}


def test_a_nested_factory_is_found(module: str) -> None:
    assert load(f"{module}:Namespace.Inner").evaluate([bulk("Cu")]).energies.shape == (1,)


def argon(n: int) -> Atoms:
    return Atoms(f"Ar{n}", positions=[[4.0 * i, 0, 0] for i in range(n)], cell=[4.0 * n, 9, 9], pbc=True)


def test_a_configuration_that_fails_is_named(module: str) -> None:
    potential = load(f"{module}:Spoiled")
    with pytest.raises(PotentialError, match=r"configuration 1 of 2 .*ValueError: cannot do three\. "):
        potential.evaluate([argon(1), argon(3)])
    with pytest.raises(PotentialError, match="ran out of memory on configuration 0 of 1"):
        potential.evaluate([argon(5)])
    with pytest.raises(NonFiniteForcesError, match="configuration 2 of 3"):
        potential.evaluate([argon(1), argon(1), argon(2)])
    with pytest.raises(PotentialError, match="one energy and one force per atom"):
        potential.evaluate([argon(4)])
    with pytest.raises(PotentialError, match=r"no real numbers \(complex numbers\)"):
        potential.evaluate([argon(6)])
    with pytest.raises(PotentialError, match=r"no real numbers \(could not convert string to float"):
        potential.evaluate([argon(7)])


def test_elements_are_checked_when_given() -> None:
    settings = PotentialSettings(name="ase.calculators.emt:EMT", elements=("Cu", "Al"))
    with pytest.raises(PotentialError, match="does not cover Ag, Au"):
        resolve(settings).load().evaluate([bulk("Cu"), bulk("Au"), bulk("Ag")])
    assert load("ase.calculators.emt:EMT").evaluate([bulk("Au")]).energies.shape == (1,)


STIFF = "from ase.calculators.emt import EMT\n\ndef make():\n    return EMT(asap_cutoff=%s)\n"


def test_the_source_that_is_run_is_the_one_the_digest_is_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An edit of the same size and time is run, though Python has compiled the other one and imported it."""
    module = tmp_path / "softmode_test_edited.py"
    monkeypatch.syspath_prepend(str(tmp_path))
    module.write_text(STIFF % "True ")
    times = module.stat()
    atoms = rattled(4)
    forces = {}
    for cutoff in ("True ", "False"):
        module.write_text(STIFF % cutoff)
        os.utime(module, ns=(times.st_atime_ns, times.st_mtime_ns))
        forces[cutoff] = load("softmode_test_edited:make").evaluate([atoms]).forces[0]
        atoms.calc = EMT(asap_cutoff=cutoff == "True ")
        np.testing.assert_array_equal(forces[cutoff], atoms.get_forces())
    assert np.abs(forces["True "] - forces["False"]).max() > 1e-6


def test_a_source_that_changes_after_it_was_looked_up_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "softmode_test_late.py"
    monkeypatch.syspath_prepend(str(tmp_path))
    module.write_text(STIFF % "True")
    resolved = resolve("softmode_test_late:make")
    module.write_text(STIFF % "False")
    with pytest.raises(ChangedInputError, match=r"softmode_test_late\.py: has changed since"):
        resolved.load()
