"""Is a potential conservative and invariant, and in which precision does it work? Measured from outside.

Energies and forces of a small distorted crystal are asked for in ways that must not matter (rotated,
shifted, atoms in another order, another basis of the lattice, a supercell), along paths (the work of the
forces must be the difference of the energies), and for ever smaller displacements. What is left over is
compared with what rounding may leave, in double and in single precision, of forces so large and stiff.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from softmode.errors import SettingsError

if TYPE_CHECKING:
    from ase import Atoms

    from softmode.potentials.base import Potential

FloatArray = NDArray[np.float64]

#: Precisions, the finer one first.
PRECISIONS = ("float64", "float32")
#: How many rounding errors of the largest terms a result may have collected: of a thousand terms (neighbours
#: times channels), each rounded up or down at random, the square root.
ROUNDINGS = 32
#: Of the response to a displacement, for it to count as resolved.
RESOLVED = 0.01

_AMPLITUDE = 0.1  # Å, of the distortion
_DIRECTIONS = 2
_TRANSLATIONS = 4
_DISPLACEMENTS = tuple(10.0**-power for power in range(2, 10))  # Å
#: Length of a path in the space of all coordinates, Å: energies in single precision need a long one, and in
#: double precision a short one meets fewer neighbours at the cutoff, where many potentials jump a little.
_PATHS = {"float64": 0.002, "float32": 0.4}
#: Points and weights of Gauss and Legendre on a path from -1/2 to 1/2. Many: forces may have kinks, as those
#: of CHGNet have (6 points leave 1e-3 eV/Å there, 24 leave 3e-5).
_NODES, _WEIGHTS = (array / 2 for array in np.polynomial.legendre.leggauss(24))
#: Another basis of the same lattice: rows are its vectors in those of the cell.
_BASIS = np.array([[1, 1, 0], [0, 1, -1], [0, 0, 1]])


@dataclass(frozen=True)
class Figure:
    """One figure of a potential.

    Parameters
    ----------
    title : str
        What it is, in words.
    value : float
        In `unit`.
    unit : str
        ``"eV/Å"``, ``"eV/atom"`` or ``"Å"``.
    limits : mapping of str to float
        By precision, what rounding may make of it.
    """

    title: str
    value: float
    unit: str
    limits: Mapping[str, float]

    @property
    def precision(self) -> str:
        """The finest precision whose limit it keeps; empty where it breaks them all."""
        return next((name for name in PRECISIONS if self.value <= self.limits[name]), "")


@dataclass(frozen=True)
class Conformance:
    """What was measured of a potential.

    Parameters
    ----------
    crystal : str
        Formula of the cell it was measured on.
    figures : mapping of str to Figure
        ``work`` (difference of the energies and work of the forces, per length of path); ``rotation``,
        ``translation``, ``permutation``, ``basis``, ``supercell``, ``repetition`` (largest change of a force)
        and the same with ``_energy`` (change of the energy per atom); ``net_force`` (per atom);
        ``displacement`` (the smallest whose response forces resolve to :data:`RESOLVED`).
    """

    crystal: str
    figures: Mapping[str, Figure]

    @property
    def precision(self) -> str:
        """The precision that all figures keep: what it really works in; empty where one breaks its limits."""
        kept = [figure.precision for figure in self.figures.values()]
        return "" if "" in kept else max(kept, key=PRECISIONS.index)

    @property
    def conservative(self) -> bool:
        """Whether its forces are the derivative of its energy, as far as rounding lets it be seen."""
        return self.figures["work"].precision != ""

    def broken(self, precision: str = PRECISIONS[-1]) -> tuple[str, ...]:
        """Names of the figures beyond the limits of a precision."""
        return tuple(name for name, each in self.figures.items() if not each.value <= each.limits[precision])


@functools.cache
def measured() -> Mapping[str, Mapping[str, Any]]:
    """What ``softmode potentials check --json`` said of potentials of the catalogue, by name."""
    content = (files("softmode") / "data" / "conformance.json").read_text(encoding="utf-8")
    return {each["potential"]: each for each in json.loads(content)}


def default_crystal(elements: Sequence[str]) -> Atoms:
    """A small cubic crystal of elements that a potential covers: rock salt, or an element's own lattice.

    Parameters
    ----------
    elements : sequence of str
        What it covers; anything when empty.

    Raises
    ------
    SettingsError
        If there is only one, of which no simple crystal is known.
    """
    from ase.build import bulk
    from ase.data import atomic_numbers, covalent_radii

    if not elements or {"Na", "Cl"} <= set(elements):
        return bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    if len(elements) > 1:
        pair = tuple(elements[:2])
        distance = 1.1 * sum(covalent_radii[atomic_numbers[symbol]] for symbol in pair)
        return bulk("".join(pair), "rocksalt", a=2 * distance, cubic=True)
    try:
        volume = bulk(elements[0]).cell.volume / len(bulk(elements[0]))
    except (ValueError, RuntimeError, KeyError) as error:
        raise SettingsError(
            f"element {elements[0]}", "no simple crystal of it is known", "Give a structure"
        ) from error
    return bulk(elements[0], "fcc", a=(4 * volume) ** (1 / 3), cubic=True)


def measure_conformance(potential: Potential, crystal: Atoms | None = None, *, seed: int = 0) -> Conformance:
    """Measure a potential.

    Parameters
    ----------
    potential : Potential
        Loaded.
    crystal : ase.Atoms, optional
        What it is measured on; small is enough, and cheap. :func:`default_crystal` when not given.
    seed : int
        Of the distortion, directions and shifts.

    Raises
    ------
    PotentialError
        If it fails on the crystal.
    """
    random = np.random.default_rng(seed)
    atoms = _distorted(default_crystal(potential.info.elements) if crystal is None else crystal, random)
    scales = _scales(potential, atoms, random)
    forces, energies = scales.forces, scales.energies
    figures = {}
    for name, title, variants in _variants(atoms, random):
        change, energy_change = _changes(potential, atoms, variants)
        figures[name] = Figure(f"{title}: forces", change, "eV/Å", forces)
        figures[f"{name}_energy"] = Figure(f"{title}: energy", energy_change, "eV/atom", energies)
    double = all(figure.precision == PRECISIONS[0] for figure in figures.values())
    length = _PATHS[PRECISIONS[0 if double else 1]]
    work = Figure(
        "energy less work of forces",
        _work(potential, atoms, length, random),
        "eV/Å",
        {name: forces[name] + len(atoms) * energies[name] / length for name in PRECISIONS},
    )
    net = np.abs(potential.evaluate([atoms]).forces[0].mean(axis=0)).max()
    step = Figure(
        f"smallest step seen to {RESOLVED:.0%}",
        _resolved_displacement(potential, atoms, random),
        "Å",
        {name: _next_displacement(limit / (RESOLVED * scales.stiffness)) for name, limit in forces.items()},
    )
    figures["net_force"] = Figure("net force, per atom", float(net), "eV/Å", forces)
    figures = {"work": work, **figures, "displacement": step}
    return Conformance(atoms.get_chemical_formula(mode="metal"), figures)


@dataclass(frozen=True)
class _Scales:
    """Largest terms of forces, eV/Å, and energy, eV/atom, which rounding is relative to; stiffness, eV/Å²."""

    force: float
    energy: float
    stiffness: float

    @property
    def forces(self) -> dict[str, float]:
        """Limits by precision."""
        return {name: ROUNDINGS * float(np.finfo(name).eps) * self.force for name in PRECISIONS}

    @property
    def energies(self) -> dict[str, float]:
        """Limits by precision."""
        return {name: ROUNDINGS * float(np.finfo(name).eps) * self.energy for name in PRECISIONS}


def _scales(potential: Potential, atoms: Atoms, random: np.random.Generator) -> _Scales:
    """A coordinate x, rounded to ε·x, changes forces by stiffness·ε·x and the energy by force·ε·x."""
    ends = [_moved(atoms, sign * 0.01 * each) for each in _directions(atoms, random) for sign in (1, -1)]
    result = potential.evaluate([atoms, *ends])
    forces = result.stacked_forces()
    changes = (forces[1::2] - forces[2::2]) / 0.02
    stiffness = float(np.linalg.norm(changes, axis=(1, 2)).max())
    largest, extent = float(np.abs(forces[0]).max()), _extent(atoms)
    energy = float(abs(result.energies[0])) / len(atoms)
    return _Scales(largest + stiffness * extent, energy + largest * extent, stiffness)


def _directions(atoms: Atoms, random: np.random.Generator) -> FloatArray:
    """Unit vectors in the space of all coordinates."""
    directions = random.normal(size=(_DIRECTIONS, len(atoms), 3))
    return np.asarray(directions / np.linalg.norm(directions, axis=(1, 2), keepdims=True))


def _work(potential: Potential, atoms: Atoms, length: float, random: np.random.Generator) -> float:
    """Largest sum of the energy's change and the forces' work on straight paths, per length, eV/Å."""
    directions = _directions(atoms, random)
    places = length * np.array([-0.5, *_NODES, 0.5])
    result = potential.evaluate([_moved(atoms, place * each) for each in directions for place in places])
    energies = result.energies.reshape(len(directions), -1)
    forces = result.stacked_forces().reshape(*energies.shape, len(atoms), 3)
    along = np.einsum("pnik,pik->pn", forces, directions)[:, 1:-1] @ _WEIGHTS
    return float(np.abs((energies[:, -1] - energies[:, 0]) / length + along).max())


def _extent(atoms: Atoms) -> float:
    """No less than any coordinate among the configurations that are asked for, Å."""
    return float(np.linalg.norm(atoms.cell.array, axis=1).sum())


Back = Callable[[FloatArray], FloatArray]


def _variants(
    atoms: Atoms, random: np.random.Generator
) -> Iterator[tuple[str, str, list[tuple[Atoms, Back]]]]:
    """Ways of asking for the same, and how forces are brought back to those of `atoms`."""
    turn = _rotation(random)
    turned = atoms.copy()
    turned.set_cell(atoms.cell.array @ turn)
    turned.positions = atoms.positions @ turn
    yield "rotation", "rotated", [(turned, lambda forces: forces @ turn.T)]

    shifts = random.uniform(-1, 1, (_TRANSLATIONS, 3)) * _extent(atoms) / 4
    images = random.integers(-1, 2, (_TRANSLATIONS, len(atoms), 3)) @ atoms.cell.array
    moved = [_moved(atoms, shift + image) for shift, image in zip(shifts, images, strict=True)]
    yield "translation", "shifted", [(each, lambda forces: forces) for each in moved]

    order = random.permutation(len(atoms))
    yield "permutation", "atoms reordered", [(atoms[order], lambda forces: forces[np.argsort(order)])]

    other = atoms.copy()
    other.set_cell(_BASIS @ atoms.cell.array)
    other.wrap()
    yield "basis", "another lattice basis", [(other, lambda forces: forces)]

    repeated, n_atoms = atoms.repeat((1, 1, 2)), len(atoms)
    copies: list[tuple[Atoms, Back]] = [
        (repeated, lambda forces: forces[:n_atoms]),
        (repeated, lambda forces: forces[n_atoms:]),
    ]
    yield "supercell", "supercell", copies
    yield "repetition", "asked again", [(atoms, lambda forces: forces)]


def _changes(
    potential: Potential, atoms: Atoms, variants: Sequence[tuple[Atoms, Back]]
) -> tuple[float, float]:
    """Largest change of a force, eV/Å, and of the energy per atom, eV."""
    [straight] = potential.evaluate([atoms]).forces
    [energy] = potential.evaluate([atoms]).energies / len(atoms)
    result = potential.evaluate([variant for variant, _ in variants])
    forces = [back(force) - straight for (_, back), force in zip(variants, result.forces, strict=True)]
    sizes = [len(variant) for variant, _ in variants]
    return float(np.abs(forces).max()), float(np.abs(result.energies / sizes - energy).max())


def _resolved_displacement(potential: Potential, atoms: Atoms, random: np.random.Generator) -> float:
    """Smallest displacement of an atom from which on the forces of all answer as to the largest, Å."""
    directions = random.normal(size=(len(atoms), 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    [first, last] = (np.eye(len(atoms))[index][:, None] * directions for index in (0, -1))
    configurations = [
        _moved(atoms, sign * size * each)
        for each in (first, last)
        for size in _DISPLACEMENTS
        for sign in (1, -1)
    ]
    forces = potential.evaluate(configurations).stacked_forces().reshape(2, len(_DISPLACEMENTS), 2, -1)
    response = (forces[:, :, 0] - forces[:, :, 1]) / (2 * np.array(_DISPLACEMENTS)[:, None])
    wrong = np.linalg.norm(response - response[:, :1], axis=-1) / np.linalg.norm(response[:, :1], axis=-1)
    lost = np.flatnonzero(wrong.max(axis=0) > RESOLVED)
    return _DISPLACEMENTS[(lost[0] if lost.size else len(_DISPLACEMENTS)) - 1]


def _next_displacement(size: float) -> float:
    """The smallest of those tried that is no smaller, Å."""
    return min((each for each in _DISPLACEMENTS if each >= size), default=_DISPLACEMENTS[0])


def _distorted(crystal: Atoms, random: np.random.Generator) -> Atoms:
    """A copy without symmetry: strained and all atoms displaced."""
    atoms = crystal.copy()
    strain = np.eye(3) + random.uniform(-0.02, 0.02, (3, 3))
    atoms.set_cell(atoms.cell.array @ strain, scale_atoms=True)
    return _moved(atoms, random.uniform(-_AMPLITUDE, _AMPLITUDE, (len(atoms), 3)))


def _moved(atoms: Atoms, displacements: FloatArray) -> Atoms:
    moved = atoms.copy()
    moved.positions += displacements
    return moved


def _rotation(random: np.random.Generator) -> FloatArray:
    """A random proper rotation."""
    matrix, _ = np.linalg.qr(random.normal(size=(3, 3)))
    return np.asarray(matrix * np.linalg.det(matrix))


def verdict(conformance: Conformance, dtype: str) -> str:
    """What the figures mean, in a sentence or two.

    Parameters
    ----------
    conformance : Conformance
        What was measured.
    dtype : str
        The precision that the potential is said to work in.
    """
    broken = conformance.broken()
    if broken:
        said = "; ".join(
            f"{each.title} {each.value:.1e} {each.unit}, at most {each.limits['float32']:.0e} from rounding"
            for each in map(conformance.figures.__getitem__, broken)
        )
        forces = "" if conformance.conservative else ": its forces are not the derivative of its energy"
        return f"FAILS{forces}. {said}."
    precision, step = conformance.precision, conformance.figures["displacement"].value
    said = f"Conservative and invariant to {precision}; displacements from {step:g} Å on are resolved."
    if precision == dtype or dtype == PRECISIONS[-1]:
        return said
    coarse = [each.title for each in conformance.figures.values() if each.precision == precision]
    return f"{said} It is said to work in {dtype}, but does not in: {', '.join(coarse)}."
