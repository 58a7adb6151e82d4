"""Whether force constants and forces are in the units they should be in.

A factor between units is not an error any parser can see: force constants of 1/48.6 of their size (Ry/bohr²
read as eV/Å²) give σ close to 1, a perfectly ordinary value. Three things are known of a crystal at 300 K:

1. The stiffest atom. A third of the trace of ``Φ_ii`` is the mean curvature in which an atom sits. In 58
   halide double perovskites of the phonon database (PBEsol) the largest of a compound lies between 7.5 and
   39 eV/Å². Limits: 2 and 120. The wrong unit moves 7.5 … 39 to 0.15 … 0.81, or 365 … 1900.
2. The virial theorem. In classical equilibrium ``⟨-Σ u·F⟩ = 3 (N - 1) k_B T``, whatever the potential: the
   theorem of equipartition for the virial holds for any anharmonicity, and for displacements from any fixed
   positions since mean forces vanish. It needs no force constants. Limits: 60 and 1500 K, halfway (on a
   logarithmic scale) to the 11.7 and 7,700 K that Ry/bohr makes of 300 K; other units are as far or further.
   They leave room for few frames and for runs that have just begun: 15 frames of Cs2AgBiBr6 sampled by other
   potentials give 397 K with DFT forces, 9 frames of a run of CsPbI3 near 700 K give 269 K.
3. The size of harmonic forces, ``q = rms(-Φ u) / rms(F)``. It is 1 in a harmonic crystal and, as
   ``σ ≥ |q - 1|``, cannot leave 0 … 1 + σ in any. Limits: 1/7 and 7, halfway (on a logarithmic scale)
   between 1 and the 48.6 of Ry/bohr² in eV/Å².

What is beyond is refused, and the units named in which it would be usual. Smaller factors (eV/bohr, 1.9)
cannot be told from physics by 1 and 3; a virial temperature that is more than a third off is noted.
"""

from __future__ import annotations

import numpy as np
from ase import units

from softmode.crystal import ForceConstants, Trajectory
from softmode.crystal.arrays import FloatArray
from softmode.crystal.periodic_images import minimum_image
from softmode.errors import InputDataError

#: Temperature of the runs, K.
TEMPERATURE = 300.0
#: Of the mean curvature at the stiffest atom, eV/Å².
STIFFEST = (2.0, 120.0)
#: Of the virial temperature, K, and where it is noted.
VIRIAL_TEMPERATURES = (60.0, 1500.0)
NOTABLE_TEMPERATURES = (200.0, 450.0)
#: Of the size of harmonic forces relative to forces.
HARMONIC_SHARE = (1.0 / 7.0, 7.0)

_FORCE_UNITS = {
    "Ry/bohr": units.Rydberg / units.Bohr,
    "Ha/bohr": units.Hartree / units.Bohr,
    "meV/Å": 1e-3,
    "kJ/mol/Å": units.kJ / units.mol,
    "kcal/mol/Å": units.kcal / units.mol,
}
_CONSTANT_UNITS = {
    "Ry/bohr²": units.Rydberg / units.Bohr**2,
    "Ha/bohr²": units.Hartree / units.Bohr**2,
    "meV/Å²": 1e-3,
    "N/m": 1.0 / (units._e * 1e20),
}
_USUAL_STIFFEST, _USUAL_SHARE = (5.0, 45.0), (0.4, 2.5)
_FRAMES = 64  # of a trajectory, evenly spread: enough for 3 % of the temperature


def check_force_constants(force_constants: ForceConstants, subject: str) -> None:
    """Refuse force constants that are not in eV/Å² (1 above).

    Parameters
    ----------
    force_constants : ForceConstants
        Full or compact; in compact ones rows are those of the primitive atoms, evenly spread.
    subject : str
        The file.

    Raises
    ------
    InputDataError
        With the units they may be in.
    """
    values = force_constants.values
    step = values.shape[1] // values.shape[0]
    rows = np.arange(values.shape[0])
    stiffest = float((np.einsum("iaa->i", values[rows, rows * step]) / 3.0).max())
    low, high = STIFFEST
    if low <= stiffest <= high:
        return
    raise InputDataError(
        subject,
        f"the stiffest atom sits in {stiffest:.3g} eV/Å², far from the {low:g} to {high:g} of halide double "
        f"perovskites{_guess(stiffest, _USUAL_STIFFEST, _CONSTANT_UNITS)}",
        "write the force constants in eV/Å²",
    )


def virial_temperature(displacements: FloatArray, forces: FloatArray) -> float:
    """``⟨-Σ u·F⟩ / 3 (N - 1) k_B``, K.

    Parameters
    ----------
    displacements : (n_frames, n_atoms, 3) array
        Without motion of the crystal as a whole, Å.
    forces : (n_frames, n_atoms, 3) array
        eV/Å.
    """
    virial = -float(np.einsum("fai,fai->f", displacements, forces).mean())
    return float(virial / (3.0 * (displacements.shape[1] - 1) * units.kB))


def check_trajectory(
    trajectory: Trajectory, rest: FloatArray, force_constants: ForceConstants | None, subject: str
) -> tuple[str, ...]:
    """Refuse forces, or force constants, in units that thermal motion rules out (2 and 3 above).

    Parameters
    ----------
    trajectory : Trajectory
        At 300 K, its atoms in the order of `rest`.
    rest : (n_atoms, 3) array
        The supercell at rest, Å.
    force_constants : ForceConstants or None
        Of the same atoms; what needs them is left out when there are none, or compact ones.
    subject : str
        The material.

    Returns
    -------
    tuple of str
        Notes.

    Raises
    ------
    InputDataError
        With the units that forces or force constants may be in.
    """
    chosen = np.unique(np.linspace(0, trajectory.n_frames - 1, _FRAMES).astype(int))
    forces = trajectory.forces[chosen]
    moved = _displacements(trajectory.positions[chosen], rest, trajectory.lattice)
    temperature = virial_temperature(moved, forces)
    low, high = VIRIAL_TEMPERATURES
    if not low <= temperature <= high:
        raise InputDataError(
            subject,
            f"the virial of the forces is that of {temperature:.3g} K, but the run was made at "
            f"{TEMPERATURE:g} K{_guess(temperature, NOTABLE_TEMPERATURES, _FORCE_UNITS)}",
            "check that the forces are in eV/Å and belong to these positions",
        )
    if force_constants is not None and len(force_constants.values) == trajectory.n_atoms:
        _check_share(force_constants, moved, forces, subject)
    if NOTABLE_TEMPERATURES[0] <= temperature <= NOTABLE_TEMPERATURES[1]:
        return ()
    return (
        f"{subject}: the virial of the forces is that of {temperature:.0f} K, not {TEMPERATURE:g} K: few "
        "frames, no equilibrium, or forces in another unit",
    )


def _check_share(
    force_constants: ForceConstants, moved: FloatArray, forces: FloatArray, subject: str
) -> None:
    harmonic = moved.reshape(len(moved), -1) @ force_constants.matrix.T
    share = float(np.sqrt((harmonic**2).sum() / (forces**2).sum()))
    if HARMONIC_SHARE[0] <= share <= HARMONIC_SHARE[1]:
        return
    raise InputDataError(
        subject,
        f"its harmonic forces are {share:.3g} times the forces of its trajectory"
        f"{_guess(share, _USUAL_SHARE, _CONSTANT_UNITS)}",
        "check that the force constants are in eV/Å² and belong to this structure",
    )


def _displacements(positions: FloatArray, rest: FloatArray, lattice: FloatArray) -> FloatArray:
    """From the sites, minimum image, without motion of the crystal as a whole, Å."""
    moved = minimum_image(positions - rest, lattice)
    return np.asarray(moved - moved.mean(axis=1, keepdims=True))


def _guess(found: float, usual: tuple[float, float], factors: dict[str, float]) -> str:
    """The units in which a value would be a usual one, for a message."""
    if not found > 0.0:
        return ": its sign is wrong"
    low, high = usual
    given = [name for name, factor in factors.items() if low <= found * factor <= high]
    twice = [name for name, factor in factors.items() if low <= found / factor <= high]
    said = [f"it would be usual in {' or '.join(given)}"] if given else []
    said += [f"it looks converted from {' or '.join(twice)} twice"] if twice else []
    return f"; {', or '.join(said)}" if said else ""
