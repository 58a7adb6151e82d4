"""Known answers: what upstream's own code gives for one small compound, held against what is installed here.

A library can load weights of another release without a word and be wrong by eV/atom, and a ranking of
potentials would never show it. So a catalogue entry carries energy and forces of fluorite as an independent
run of upstream's own code gave them, and the potential must reproduce them before it is used, once in each
environment and with each version of its packages.
"""

from __future__ import annotations

import hashlib
import json
import logging
import platform
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from softmode.errors import StorageError, WrongAnswerError
from softmode.files import write_atomically
from softmode.potentials.weights import cache_root

if TYPE_CHECKING:
    from collections.abc import Callable

    from ase import Atoms

    from softmode.potentials.base import Potential
    from softmode.potentials.family import KnownAnswer
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
    atoms = compound()
    result = potential.evaluate([atoms])
    energy = abs(float(result.energies[0]) - answer.energy) / len(atoms)
    force = float(np.abs(result.forces[0] - np.array(answer.forces)).max())
    if energy > ENERGY_TOLERANCE or force > FORCE_TOLERANCE:
        here = ", ".join(f"{name} {version}" for name, version in resolved.versions)
        raise WrongAnswerError(
            resolved.info.name,
            f"with {here} the energy of {atoms.symbols} differs by {energy:.4f} eV/atom, its forces "
            f"by up to {force:.4f} eV/Å, from what is known ({answer.source}): the weights are read wrongly",
            f"Install the versions softmode asks for: {resolved.family.how_to_install(resolved.interpreter)}"
            if resolved.family.package
            else "Report it",
        )
    return {"energy_difference_ev_per_atom": energy, "force_difference_ev_per_angstrom": force}


def _remembered(resolved: ResolvedPotential, answer: KnownAnswer) -> Path:
    """The file that says a potential has reproduced its answer in this environment."""
    other = resolved.interpreter
    prefix, version = (other.prefix, other.version) if other else (sys.prefix, platform.python_version())
    environment = [prefix, version, platform.machine(), *map(list, resolved.versions)]
    content = [resolved.digest, environment, answer.energy, answer.forces, ENERGY_TOLERANCE, FORCE_TOLERANCE]
    digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    return cache_root() / "answers" / f"{digest[:32]}.json"
