"""A single cell without a study: the same measurements, nothing stored."""

from __future__ import annotations

import time
from dataclasses import dataclass

from softmode.anharmonic.displacements import displacements
from softmode.anharmonic.modes import ModeSigma, mode_sigma, supercell_modes
from softmode.anharmonic.score import Score, score
from softmode.anharmonic.sigma import Sigma, harmonic_forces, sigma, sigma_std_by
from softmode.anharmonic.sites import site_labels
from softmode.crystal import Material, Trajectory
from softmode.harmonic import (
    HarmonicProtocol,
    build_phonopy,
    full_force_constants,
    reference_force_constants,
    reference_supercell,
    symmetrised,
)
from softmode.potentials.resolution import ResolvedPotential
from softmode.study.context import CellContext
from softmode.study.plan import MEASUREMENTS, CellIdentity, record_inputs
from softmode.study.records import Record, digest_of


@dataclass(frozen=True, eq=False)
class HarmonicOneOff:
    """Result of :func:`score_phonons`.

    Parameters
    ----------
    material : Material
        What was compared.
    potential, dtype, device : str
        With what.
    protocol : HarmonicProtocol
        How.
    forces, record : Record
        Records of the measurements ``displaced_forces`` and ``harmonic``.
    """

    material: Material
    potential: str
    dtype: str
    device: str
    protocol: HarmonicProtocol
    forces: Record
    record: Record


def score_phonons(
    material: Material, potential: ResolvedPotential, protocol: HarmonicProtocol
) -> HarmonicOneOff:
    """Compare the phonons of a potential with the reference's, for one material.

    Raises
    ------
    SoftmodeError
        What would be a recorded failure in a study is an exception here.
    """
    context = CellContext(material, potential.load, protocol)
    identity = CellIdentity(
        structure=material.structure_digest,
        reference=material.reference_digest,
        trajectory="",
        potential=potential.digest,
        protocol=protocol,
        seed=0,
    )
    for name, inputs in record_inputs(("harmonic",), identity).items():
        started = time.perf_counter()
        result = MEASUREMENTS[name].run(context)
        context.records[name] = Record(
            key=digest_of(inputs),
            measurement=name,
            inputs=inputs,
            values=result.values,
            arrays=result.arrays,
            seconds=time.perf_counter() - started,
        )
    return HarmonicOneOff(
        material=material,
        potential=potential.info.name,
        dtype=context.potential.dtype,
        device=context.potential.device,
        protocol=protocol,
        forces=context.records["displaced_forces"],
        record=context.records["harmonic"],
    )


@dataclass(frozen=True, eq=False)
class SigmaOneOff:
    """Result of :func:`score_trajectory`.

    Parameters
    ----------
    material : Material
        Whose force constants were used.
    trajectory : Trajectory
        In the supercell's atom order.
    result : Sigma
        σ⁽²⁾ and its resolved forms.
    score : Score
        ⟨σ(t)⟩_t with its interval.
    per_element, per_site : dict of str to float
        Root mean square.
    per_element_std : dict of str to float
        With mean forces removed, as FHI-vibes.
    modes : ModeSigma
        By set of degenerate phonon modes.
    """

    material: Material
    trajectory: Trajectory
    result: Sigma
    score: Score
    per_element: dict[str, float]
    per_site: dict[str, float]
    per_element_std: dict[str, float]
    modes: ModeSigma


def score_trajectory(
    material: Material, trajectory: Trajectory, *, symmetrise: bool = False, seed: int = 2026
) -> SigmaOneOff:
    """σ⁽²⁾ of a trajectory with the reference's force constants.

    Parameters
    ----------
    material : Material
        Supercell and force constants.
    trajectory : Trajectory
        Aligned to the material's supercell.
    symmetrise : bool
        Impose translational and permutation symmetry on the force constants first.
    seed : int
        Seed of the bootstrap.

    Raises
    ------
    InputDataError
        If all forces of a frame are zero.
    """
    phonon = build_phonopy(material)
    constants = reference_force_constants(phonon, material)
    if symmetrise:
        constants = symmetrised(phonon, constants)
    constants = full_force_constants(phonon, constants)
    cell = reference_supercell(phonon)
    harmonic = harmonic_forces(constants, displacements(trajectory, cell))
    result = sigma(trajectory.forces, harmonic, subject=trajectory.source)
    return SigmaOneOff(
        material=material,
        trajectory=trajectory,
        result=result,
        score=score(result.per_frame, trajectory.run_lengths, seed=seed, subject=trajectory.source),
        per_element=result.by(cell.symbols),
        per_site=result.by(site_labels(cell)),
        per_element_std=sigma_std_by(trajectory.forces, harmonic, cell.symbols),
        modes=mode_sigma(supercell_modes(phonon, constants), trajectory.forces, harmonic),
    )
