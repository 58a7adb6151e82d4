"""Known answers: what upstream's own code gives for one small compound, held against what is installed here.

A library can load weights of another release without a word and be wrong by eV/atom, and a ranking of
potentials would never show it. So a catalogue entry carries energy and forces of fluorite as an independent
run of upstream's own code gave them, and the potential must reproduce them before it is used, once in each
environment and with each version of its packages. For weights of a user's own a file holds such an answer.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import platform
import sys
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from softmode.errors import SettingsError, StorageError, WrongAnswerError
from softmode.files import write_atomically
from softmode.potentials.conformance import default_crystal
from softmode.potentials.family import KnownAnswer, Structure, as_tuples
from softmode.potentials.weights import cache_root

if TYPE_CHECKING:
    from collections.abc import Callable

    from ase import Atoms

    from softmode.potentials.base import Potential
    from softmode.potentials.resolution import ResolvedPotential

log = logging.getLogger(__name__)

#: Largest differences allowed, eV/atom and eV/Å: more than ten times what float32, another processor or
#: another release of numerical libraries make of a potential, a hundredth of what wrongly read weights do.
ENERGY_TOLERANCE = 1e-3
FORCE_TOLERANCE = 2e-3


def compound() -> Atoms:
    """CaF2: a primitive cell of fluorite, sheared, all atoms displaced, so that symmetry fixes no force."""
    from ase import Atoms

    cell = 2.76 * np.array([[0.02, 1.0, 1.0], [1.0, -0.03, 1.0], [1.0, 1.04, 0.01]])
    scaled = [[0.01, -0.02, 0.015], [0.26, 0.235, 0.25], [0.74, 0.765, 0.73]]
    return Atoms("CaF2", scaled_positions=scaled, cell=cell, pbc=True)


def check_answer(resolved: ResolvedPotential, load: Callable[[], Potential]) -> None:
    """Refuse a potential that does not reproduce its known answer; remembered in the cache when it does.

    Parameters
    ----------
    resolved : ResolvedPotential
        The potential; nothing is done for one without a known answer.
    load : callable
        Loads it. What is loaded for the check is used for nothing else: a library that optimises during its
        first evaluations must not give other last digits after a check than without one.

    Raises
    ------
    WrongAnswerError
        If it does not.
    """
    answer = resolved.answer
    if answer is None:
        return
    remembered = _remembered(resolved, answer)
    if remembered.is_file():
        return
    with closing(load()) as potential:
        deviations = _compare(resolved, answer, potential)
    note = {"potential": resolved.known_as, "versions": dict(resolved.versions), **deviations}
    try:
        write_atomically(remembered, json.dumps(note, indent=1).encode())
    except StorageError as error:
        log.debug("the known answer of %s will be checked again: %s", resolved.known_as, error)


def _compare(resolved: ResolvedPotential, answer: KnownAnswer, potential: Potential) -> dict[str, float]:
    """Differences to the answer, eV/atom and eV/Å; refused where they are too large."""
    atoms = _structure(answer)
    result = potential.evaluate([atoms])
    energy = abs(float(result.energies[0]) - answer.energy) / len(atoms)
    force = float(np.abs(result.forces[0] - np.array(answer.forces)).max())
    if energy > ENERGY_TOLERANCE or force > FORCE_TOLERANCE:
        here = ", ".join(f"{name} {version}" for name, version in resolved.versions)
        raise WrongAnswerError(
            resolved.info.name,
            f"with {here} the energy of {atoms.symbols} differs by {energy:.4f} eV/atom, its forces "
            f"by up to {force:.4f} eV/Å, from what is known ({answer.source}): the weights are read wrongly",
            _remedy(resolved),
        )
    return {"energy_difference_ev_per_atom": energy, "force_difference_ev_per_angstrom": force}


def _structure(answer: KnownAnswer) -> Atoms:
    from ase import Atoms

    return compound() if answer.structure is None else Atoms(**asdict(answer.structure))


def _remedy(resolved: ResolvedPotential) -> str:
    if resolved.settings.answer is not None:
        return f"Use the versions it was made with, or make {resolved.settings.answer} anew"
    if resolved.family.package is None:
        return "Report it"
    return f"Install the versions softmode asks for: {resolved.family.how_to_install(resolved.interpreter)}"


def _remembered(resolved: ResolvedPotential, answer: KnownAnswer) -> Path:
    """The file that says a potential has reproduced its answer in this environment."""
    other = resolved.interpreter
    prefix, version = (other.prefix, other.version) if other else (sys.prefix, platform.python_version())
    environment = [prefix, version, platform.machine(), *map(list, resolved.versions)]
    content = [resolved.digest, environment, answer.energy, answer.forces, ENERGY_TOLERANCE, FORCE_TOLERANCE]
    if answer.structure is not None:
        content.append(asdict(answer.structure))
    digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    return cache_root() / "answers" / f"{digest[:32]}.json"


def save_answer(path: Path, potential: Potential, source: str, structure: Atoms | None = None) -> None:
    """Write what a potential gives, as a file that :func:`read_answer` reads: extended XYZ.

    Parameters
    ----------
    path : Path
        The file; its folder must be there.
    potential : Potential
        Loaded.
    source : str
        Which code gives it, with versions.
    structure : ase.Atoms, optional
        Of what, distorted so that symmetry fixes no force. When not given, :func:`compound`, or a simple
        crystal where that is not covered.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    from ase.calculators.singlepoint import SinglePointCalculator
    from ase.io import write

    covered = potential.info.elements
    atoms = compound()
    if structure is not None or (covered and not set(atoms.symbols) <= set(covered)):
        atoms = structure.copy() if structure is not None else default_crystal(covered)
        atoms.rattle(0.1, rng=np.random.default_rng(0))
    result = potential.evaluate([atoms])
    atoms.info = {"source": source}
    atoms.calc = SinglePointCalculator(atoms, energy=float(result.energies[0]), forces=result.forces[0])
    text = io.StringIO()
    write(text, atoms, format="extxyz")
    write_atomically(path, text.getvalue().encode())


def read_answer(path: Path) -> KnownAnswer:
    """An answer that a file holds: one structure with energy, eV, and forces, eV/Å, in extended XYZ.

    Raises
    ------
    SettingsError
        If it holds no such thing.
    """
    from ase.io import read

    try:
        atoms = read(path, format="extxyz", index=":")
        [structure] = atoms
        energy, forces = structure.get_potential_energy(), structure.get_forces()
        if not (np.isfinite(energy) and np.isfinite(forces).all()):
            raise ValueError("numbers that are not finite")
    except Exception as error:
        raise SettingsError(
            f"answer {str(path)!r}",
            f"holds no energy and forces of one structure ({type(error).__name__}: {error})",
            "Make it with: softmode potentials check NAME --save-answer FILE",
        ) from error
    source = str(structure.info.get("source", path.name))
    positions, cell = structure.positions.tolist(), structure.cell.array.tolist()
    asked = Structure(
        tuple(structure.symbols), as_tuples(positions), as_tuples(cell), tuple(structure.pbc.tolist())
    )
    return KnownAnswer(float(energy), as_tuples(forces.tolist()), source, asked)
