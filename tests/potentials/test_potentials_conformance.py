"""Every potential that can be used here through the same checks: the registry's, a plugin's, stand-ins."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from shared_weights import shared_weights

from softmode.errors import NonFiniteForcesError, PotentialError, UncoveredElementError
from softmode.potentials import Potential, PotentialSettings, WeightsStatus, families, weights_status
from softmode.potentials.conformance import measure_conformance
from softmode.potentials.weights import find_weights

Load = Callable[[PotentialSettings], Potential]
SMALL_MACE = "a small MACE made here"


@dataclass(frozen=True)
class Case:
    name: str
    crystal: Callable[[], Atoms]
    kwargs: dict[str, Any] = field(default_factory=dict)
    dtype: str = "float64"
    elements: tuple[str, ...] | None = None
    plugin: str = ""
    weights: Path | None = None
    same: float = 1e-10  # eV/Å, for two evaluations that should agree
    uncovered: str = "Xe"
    python: str | None = None


def rock_salt() -> Atoms:
    return bulk("NaCl", "rocksalt", a=5.6, cubic=True)


def alloy() -> Atoms:
    atoms = bulk("Cu", "fcc", a=3.7, cubic=True) * (2, 1, 1)
    atoms.symbols[3] = "Al"
    return atoms


def argon() -> Atoms:
    return bulk("Ar", "fcc", a=5.3, cubic=True)


def element(symbol: str) -> Callable[[], Atoms]:
    return lambda: bulk(symbol, "fcc", a=1.02 * bulk(symbol).cell.cellpar()[0] * 2**0.5, cubic=True)


FLOAT32 = {"dtype": "float32", "same": 2e-5}
STAND_INS = [
    Case(SMALL_MACE, rock_salt),
    Case(SMALL_MACE, rock_salt, **FLOAT32),
    Case("ase.calculators.emt:EMT", alloy, elements=("Cu", "Al")),
    Case("ase.calculators.emt:EMT", alloy, elements=("Cu", "Al"), python=sys.executable),
    Case(
        "ase.calculators.lj:LennardJones",
        argon,
        kwargs={"sigma": 3.4, "epsilon": 0.01, "rc": 6.0, "smooth": True},
        elements=("Ar",),
    ),
    Case("morse-cu", element("Cu"), plugin="morse"),
    Case("morse-al", element("Al"), plugin="morse"),
]
USABLE = (WeightsStatus.PACKAGED, WeightsStatus.CACHED, WeightsStatus.NOT_NEEDED)
#: Of an architecture that is checked, with other weights, each compiled anew: by name with  pytest -m slow.
COSTLY = (
    *("nequix-omat-1", "nequix-oam-1", "nequix-oam-1-pft", "nequix-mp-1-pft-nocotrain"),
    *("7net-0_22May2024", "7net-l3i5"),
)


def of_the_registry() -> Iterator[Any]:
    """Every potential known by name that is installed and has its weights here, in all its precisions."""
    for family in families():
        for entry in family.entries:
            # found now: the tests themselves do not see the caches of whoever runs them
            here = find_weights(entry) or shared_weights(entry)
            if weights_status(entry.name) not in USABLE and not (family.is_installed() and here):
                continue
            covered = set(entry.elements)
            crystal = rock_salt if not covered or {"Na", "Cl"} <= covered else element(min(covered))
            uncovered = next(symbol for symbol in ("Xe", "Ra", "Am") if symbol not in covered)
            for dtype in family.dtypes:
                limits = FLOAT32 if dtype == "float32" else {}
                costly = entry.name in COSTLY or (family.name == "Nequix" and dtype == "float64")
                yield pytest.param(
                    Case(entry.name, crystal, weights=here, uncovered=uncovered, **limits),
                    id=f"{entry.name}-{dtype}",
                    marks=[pytest.mark.real_potential, *([pytest.mark.slow] if costly else [])],
                )


CASES = [
    *of_the_registry(),
    *(
        pytest.param(case, id=f"{case.name.split(':')[-1]}-{'elsewhere' if case.python else case.dtype}")
        for case in STAND_INS
    ),
]


def test_what_has_its_weights_here_is_among_the_cases() -> None:
    names = {case.values[0].name for case in CASES}
    for name, module in (("chgnet", "chgnet"), ("7net-0", "sevenn"), ("7net-l3i5", "sevenn")):
        if importlib.util.find_spec(module) is not None:
            assert name in names
    for family in families():
        for entry in family.entries:
            assert entry.name in names or not (family.is_installed() and shared_weights(entry))


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture
def potential(case: Case, load_potential: Load, request: pytest.FixtureRequest) -> Potential:
    if case.plugin:
        request.getfixturevalue("installed_plugin")(case.plugin)
    small = case.name == SMALL_MACE
    return load_potential(
        PotentialSettings(
            name=str(request.getfixturevalue("small_mace_path")) if small else case.name,
            dtype=case.dtype,
            kwargs=case.kwargs,
            elements=case.elements,
            weights=case.weights,
            python=case.python,
        )
    )


def displaced(atoms: Atoms, seed: int = 0, size: float = 0.15) -> Atoms:
    moved = atoms.copy()
    moved.positions += np.random.default_rng(seed).uniform(-size, size, moved.positions.shape)
    return moved


def test_says_what_it_is(case: Case, potential: Potential) -> None:
    assert potential.dtype == case.dtype
    assert potential.device == "cpu"
    assert set(case.crystal().get_chemical_symbols()) <= set(potential.info.elements)


def test_returns_float64_for_every_atom(case: Case, potential: Potential) -> None:
    result = potential.evaluate([displaced(case.crystal(), seed) for seed in range(2)])
    assert result.energies.dtype == np.float64
    assert result.stacked_forces().dtype == np.float64
    assert result.stacked_forces().shape == (2, len(case.crystal()), 3)
    assert np.abs(result.stacked_forces()).max() > 1e-3


def test_it_is_conservative_and_invariant_in_the_precision_it_claims(
    case: Case, potential: Potential
) -> None:
    """Forces of another order, energies per atom or other units would fail here too."""
    found = measure_conformance(potential, case.crystal())
    apart = {name: each.value for name, each in found.figures.items() if each.value > each.limits[case.dtype]}
    assert apart == {}
    assert found.precision in ("float64", case.dtype)


def test_a_batch_of_mixed_sizes_equals_single_evaluations(case: Case, potential: Potential) -> None:
    crystal = case.crystal()
    batch = [displaced(crystal, 1), displaced(crystal * (2, 1, 1), 2), displaced(crystal, 3)]
    together = potential.evaluate(batch)
    for index, atoms in enumerate(batch):
        alone = potential.evaluate([atoms])
        assert together.energies[index] == pytest.approx(alone.energies[0], abs=case.same * len(atoms))
        np.testing.assert_allclose(together.forces[index], alone.forces[0], atol=case.same)


def test_an_empty_batch_gives_nothing(potential: Potential) -> None:
    result = potential.evaluate([])
    assert result.energies.shape == (0,)
    assert result.forces == ()


def test_the_input_is_not_modified(case: Case, potential: Potential) -> None:
    atoms = displaced(case.crystal())
    atoms.info["note"] = "kept"
    before = atoms.copy()
    potential.evaluate([atoms])
    assert atoms == before
    assert atoms.calc is None
    assert atoms.info == before.info
    assert set(atoms.arrays) == set(before.arrays)


def test_an_uncovered_element_is_refused_by_name(case: Case, potential: Potential) -> None:
    atoms = case.crystal()
    atoms.symbols[0] = case.uncovered
    with pytest.raises(UncoveredElementError, match=rf"does not cover {case.uncovered}\b"):
        potential.evaluate([case.crystal(), atoms])


def test_nan_forces_are_caught(case: Case, potential: Potential, monkeypatch: pytest.MonkeyPatch) -> None:
    true_evaluate = potential._evaluate

    def spoiled(configurations: list[Atoms]) -> tuple[Any, Any]:
        energies, forces = true_evaluate(configurations)
        forces = [np.array(force) for force in forces]
        forces[1][2, 0] = np.nan
        return energies, forces

    monkeypatch.setattr(potential, "_evaluate", spoiled)
    with pytest.raises(NonFiniteForcesError, match="configuration 1 of 2"):
        potential.evaluate([case.crystal(), case.crystal()])


def test_positions_that_are_not_finite_are_refused(case: Case, potential: Potential) -> None:
    atoms = case.crystal()
    atoms.positions[0, 0] = np.nan
    with pytest.raises(PotentialError, match="configuration 1 of 2"):
        potential.evaluate([case.crystal(), atoms])


def test_the_calculator_agrees_and_gives_stress(case: Case, potential: Potential) -> None:
    atoms = displaced(case.crystal())
    result = potential.evaluate([atoms])
    atoms.calc = potential.calculator()
    assert isinstance(atoms.calc, Calculator)
    np.testing.assert_allclose(atoms.get_forces(), result.forces[0], atol=max(case.same, 1e-9))
    assert atoms.get_potential_energy() == pytest.approx(result.energies[0], abs=case.same * 50)
    assert np.isfinite(atoms.get_stress()).all()


def test_nothing_is_written_to_the_terminal(
    case: Case, potential: Potential, capfd: pytest.CaptureFixture[str]
) -> None:
    potential.evaluate([case.crystal()])
    potential.calculator()
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == ""


def test_torch_keeps_its_default_precision(case: Case, potential: Potential) -> None:
    torch = pytest.importorskip("torch")
    other = torch.float32 if case.dtype == "float64" else torch.float64
    before = torch.get_default_dtype()
    torch.set_default_dtype(other)
    try:
        result = potential.evaluate([displaced(case.crystal())])
        potential.calculator()
        assert torch.get_default_dtype() == other
    finally:
        torch.set_default_dtype(before)
    np.testing.assert_allclose(
        result.forces[0], potential.evaluate([displaced(case.crystal())]).forces[0], atol=case.same
    )


def test_ase_keeps_its_list_of_properties(potential: Potential) -> None:
    potential.calculator()
    assert Calculator.implemented_properties == []


@pytest.mark.parametrize("suffix", ["missing.model", "x/missing.model"])
def test_a_missing_file_is_named(tmp_path: Path, suffix: str, load_potential: Load) -> None:
    pytest.importorskip("mace")
    with pytest.raises(PotentialError, match=r"missing\.model"):
        load_potential(PotentialSettings(name=str(tmp_path / suffix)))
